"""A study as MLflow recorded it, in tidy DataFrames. Refuses records that are missing, unfinished or duplicated."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from harness.core.defaults import OPTIONAL, SEARCHED
from harness.core.errors import UserError
from harness.core.language import _
from harness.core.network import PREFIX, parse_scalar
from harness.studies.facts import StudyFacts, facts_of
from harness.studies.request import MOST_FRESH_SEEDS
from harness.tracking.reader import ExperimentReader, TrackedRun, check_digest
from harness.tracking.schema import (
    CONFIRMED,
    DATASET_SHA256,
    DIGEST,
    DUPLICATE_OF,
    FRESH_SEEDS,
    JUDGED_STATES,
    KIND,
    LEARNED,
    RESTORED,
    STATE,
    TRAINING_COST,
    TRAINING_SECONDS,
    TRIAL,
    TRIALS,
    WINNER,
    Kind,
)

_ENDED = ("complete", "pruned", "diverged", "failed")  # an interrupted run runs again
_SHOWN_RUNS = 5
MOST_SHOWN = 200  # trials, on the page of a study
_EPOCHS = ["epoch", "val_accuracy", "seconds", "trial", "run_id", "state"]
_FRESH = ["trial", "seed", "run_id", "state", "val_accuracy", "test_loss", "test_accuracy"]
_NUMBERS = {"lr": float, "gamma": float, "batch_size": int, "epochs": int, "hidden": int, "seed": int}
_NUMBERS |= {"weight_decay": float, "warmup_epochs": int}
SWITCHES = ("batch_norm", "standardize", "hidden_batch_norm", "nesterov")
_TEXTS = ("optimizer", "lr_schedule")


class StudyFrames(NamedTuple):
    """A study as recorded.

    `trials`: one row per trial that counts, with trial, run_id, state, the hyperparameters, network (the spec of the
    user's own, or ""), its own as `network_params.…`, seed, copy (whether it repeats an earlier config), learned,
    restored, val_accuracy (of its last epoch), best_val_accuracy, best_epoch, cost (examples × parameters; NaN in an
    earlier version), seconds (of training); both are NaN for a copy, or if they were lost. `best`: the number of the
    trial that won. `confirmation`, `winner` and `baseline` (the lesson's setting): one row per run with a fresh seed,
    with trial (-1 for the baseline), seed, run_id, state, val_accuracy, test_loss, test_accuracy (NaN if there is none
    or it diverged). `epochs`: one row per epoch of the `MOST_SHOWN` best trials, with trial, run_id, state, epoch,
    val_accuracy, seconds. `before_digests`: the number of runs whose numbers no digest covers. `lacks`: a sentence for
    each kind of run that is missing.
    """

    name: str
    experiment: str
    experiment_id: str
    parent_id: str
    facts: StudyFacts
    trials: pd.DataFrame
    best: int
    confirmation: pd.DataFrame
    winner: pd.DataFrame
    baseline: pd.DataFrame
    epochs: pd.DataFrame
    before_digests: int
    lacks: list[str]

    @property
    def names(self) -> list[str]:
        """The hyperparameters that a reader needs: the usual ones, and others that a trial has at another value."""
        others = [name for name, value in OPTIONAL.items() if (self.trials[name] != value).any()]
        return [*SEARCHED, *others, *(name for name in map(str, self.trials) if name.startswith(PREFIX))]


def study_frames(records: ExperimentReader, name: str) -> StudyFrames:
    """Read one study, without runs that were interrupted or lost.

    Raises `UserError` if the study does not exist, has not ended, or contains a trial twice or a run on other data.
    """
    parents = records.parents("study", name)
    if len(parents) != 1:
        known = ", ".join(run.name for run in records.parents("study")) or "none"
        raise UserError(f"{len(parents)} studies in {records.experiment} are called {name!r}; there are: {known}")
    if parents[0].status != "FINISHED":
        raise UserError(f"study {name!r} has not ended ({parents[0].status}): finish it with harness.search first")
    return frames_of(records, parents[0])


def frames_of(records: ExperimentReader, parent: TrackedRun) -> StudyFrames:
    """Read the study of this parent run, whose trials and last runs have ended. Raises like `study_frames`."""
    name = parent.name
    children = records.children(parent.id)
    for run in children:
        if run.tags[DATASET_SHA256] != parent.tags[DATASET_SHA256]:
            raise UserError(f"run {run.id} of study {name!r} was made with other data than its study")
        if run.tags.get(STATE) in _ENDED:
            check_digest(run)
    counted = [run for run in children if run.tags[KIND] == "trial" and run.tags.get(STATE) in _ENDED]
    if not any(run.tags[STATE] == "complete" for run in counted):
        raise UserError(
            f"study {name!r} has no complete trial here: its runs were deleted in MLflow; restore them there"
        )
    trials = pd.DataFrame([_trial_row(run) for run in counted]).sort_values("trial", ignore_index=True)
    doubled = trials.loc[trials["trial"].duplicated(), "trial"]
    if len(doubled):
        raise UserError(f"study {name!r} holds trial {doubled.iloc[0]} twice; its records were altered")
    shown = set(trials.nlargest(MOST_SHOWN, "val_accuracy")["run_id"])
    epochs = _epochs(records, [run for run in counted if run.id in shown])
    # Runs of an earlier version do not have the sum.
    trials["seconds"] = trials["seconds"].fillna(
        trials["trial"].map(epochs.groupby("trial")["seconds"].sum(min_count=1).to_dict())
    )
    confirmation = _fresh_rows(children, "confirmation")
    winner, baseline = _fresh_rows(children, "winner"), _fresh_rows(children, "baseline")
    best = _best(parent, trials)
    confirmation, winner, baseline = _used(parent, best, confirmation, winner, baseline)
    return StudyFrames(
        name,
        records.experiment,
        records.experiment_id,
        parent.id,
        facts_of(parent),
        trials,
        best,
        confirmation,
        winner,
        baseline,
        epochs,
        sum(DIGEST not in run.tags for run in children if run.tags.get(STATE) in _ENDED),
        _lacks(parent, trials, records.children(parent.id, deleted=True)),
    )


def _used(
    parent: TrackedRun, best: int, confirmation: pd.DataFrame, winner: pd.DataFrame, baseline: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Without the runs that an earlier command asked for and the last one did not. Earlier winners stay."""
    if FRESH_SEEDS not in parent.tags:
        return confirmation, winner, baseline
    confirm_seeds, winner_seeds = map(int, parent.tags[FRESH_SEEDS].split())
    trials = [int(number) for number in parent.tags[CONFIRMED].split()]
    first = int(parent.params["seed"])
    confirmation = confirmation[
        confirmation["trial"].isin(trials) & (confirmation["seed"] <= first + MOST_FRESH_SEEDS + confirm_seeds)
    ]
    winner = winner[(winner["trial"] != best) | (winner["seed"] <= first + winner_seeds)]
    return confirmation, winner, baseline[baseline["seed"] <= first + winner_seeds]


def _best(parent: TrackedRun, trials: pd.DataFrame) -> int:
    """The trial that won; without its run, or in a study older than that tag, the one with the best accuracy."""
    complete = trials[trials["state"] == "complete"].sort_values("val_accuracy", ascending=False, kind="stable")
    recorded = int(parent.tags.get(WINNER, "-1"))
    return recorded if recorded in set(complete["trial"]) else int(complete["trial"].iloc[0])


def _lacks(parent: TrackedRun, trials: pd.DataFrame, deleted: Sequence[TrackedRun]) -> list[str]:
    """A sentence on what is not there any more, and one if the best trial is not; [] if the study is whole."""
    here = set(trials["trial"])
    gone = [run for run in deleted if run.tags[KIND] != "trial" or int(run.tags[TRIAL]) not in here]
    gone = [run for run in gone if run.tags.get(STATE) in _ENDED]
    sentences = []
    if gone:
        runs = [f"{run.name} ({run.id})" for run in gone[:_SHOWN_RUNS]] + ["…"] * (len(gone) > _SHOWN_RUNS)
        text = _("runs of this study were deleted in MLflow and are not counted: {runs}; restore them there")
        sentences.append(text.format(runs=_(", ").join(runs)))
    if TRIALS in parent.tags and int(parent.tags[TRIALS]) > len(here):
        text = _("the study had {trials} trials, and the runs of {here} are here")
        sentences.append(text.format(trials=parent.tags[TRIALS], here=len(here)))
    if restored := int(trials["restored"].sum()):
        text = _("{count} trials are written again from Optuna's record: MLflow had lost their runs")
        sentences.append(text.format(count=restored))
    best = trials.loc[trials["state"] == "complete", "val_accuracy"].max()
    if WINNER in parent.tags and int(parent.tags[WINNER]) not in here:
        sentences.append(_("the trial that won, trial {trial}, is not here").format(trial=parent.tags[WINNER]))
    elif sentences and parent.metrics.get("val_accuracy", best) > best:
        text = _("its best trial, of validation accuracy {accuracy:.4f}, is not here")
        sentences.append(text.format(accuracy=parent.metrics["val_accuracy"]))
    return sentences


def _trial_row(run: TrackedRun) -> dict[str, object]:
    params, metrics, tags = run.params, run.metrics, run.tags
    row: dict[str, object] = {"trial": int(tags[TRIAL]), "run_id": run.id, "state": tags[STATE]}
    row |= {name: kind(params.get(name, OPTIONAL.get(name))) for name, kind in _NUMBERS.items()}
    row |= {name: params.get(name) == "True" for name in SWITCHES}
    row |= {name: params.get(name, OPTIONAL[name]) for name in _TEXTS}
    row["network"] = params.get("network", "")
    row |= {name: parse_scalar(text) for name, text in sorted(params.items()) if name.startswith(PREFIX)}
    row["copy"] = DUPLICATE_OF in tags
    row["learned"] = tags.get(LEARNED) != "false"
    row["restored"] = RESTORED in tags
    row |= {name: metrics.get(name, math.nan) for name in ("val_accuracy", "best_val_accuracy", "best_epoch")}
    row["cost"] = metrics.get(TRAINING_COST, math.nan)
    return row | {"seconds": metrics.get(TRAINING_SECONDS, math.nan)}


def _fresh_rows(children: Sequence[TrackedRun], kind: Kind) -> pd.DataFrame:
    """The runs of this kind that have a result. A seed counts once: the oldest run stands for it."""
    rows = []
    for run in children:
        if run.tags[KIND] == kind and run.tags.get(STATE) in JUDGED_STATES:
            row: dict[str, object] = {"trial": int(run.tags.get(TRIAL, "-1")), "seed": int(run.params["seed"])}
            row |= {"run_id": run.id, "state": run.tags[STATE]}
            has_result = run.tags[STATE] == "complete"
            numbers = ("val_accuracy", "test_loss", "test_accuracy")
            rows.append(row | {name: run.metrics.get(name) if has_result else None for name in numbers})
    frame = pd.DataFrame(rows, columns=_FRESH).astype({"test_accuracy": float, "val_accuracy": float})
    return frame.drop_duplicates(["trial", "seed"]).sort_values(["trial", "seed"], ignore_index=True)


def _epochs(records: ExperimentReader, runs: Sequence[TrackedRun]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(columns=_EPOCHS).astype({"trial": int, "epoch": int, "val_accuracy": float, "seconds": float})
    ]
    for run in runs:
        if DUPLICATE_OF not in run.tags:
            curves = {
                column: pd.Series(records.history(run, metric), dtype=float)
                for column, metric in (("val_accuracy", "val_accuracy"), ("seconds", "epoch_seconds"))
            }
            frame = pd.DataFrame(curves).rename_axis("epoch").reset_index()
            parts.append(frame.assign(trial=int(run.tags[TRIAL]), run_id=run.id, state=run.tags[STATE]))
    return pd.concat(parts, ignore_index=True).sort_values(["trial", "epoch"], ignore_index=True)
