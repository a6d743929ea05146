"""A tracked search as tidy DataFrames. Refuses records that are missing, unfinished or duplicated."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from harness.core.errors import UserError
from harness.tracking.reader import ExperimentReader, TrackedRun
from harness.tracking.schema import DATASET_SHA256, DUPLICATE_OF, JUDGED_STATES, KIND, STATE, TRIAL, TRIALS

_ENDED = ("complete", "pruned", "diverged", "failed")  # an interrupted run runs again
_SHOWN_RUNS = 5
_WINNER = ["trial", "seed", "run_id", "state", "test_loss", "test_accuracy"]
_NUMBERS = {"lr": float, "gamma": float, "batch_size": int, "epochs": int, "seed": int}


class StudyFrames(NamedTuple):
    """A study as recorded.

    `trials`: one row per trial that counts, with trial, run_id, state, the hyperparameters, seed, copy (whether it
    repeats an earlier config), val_accuracy (of its last epoch), best_val_accuracy, best_epoch. `winner`: one row per
    run of the winner, with trial, seed, run_id, state, test_loss, test_accuracy (NaN if it diverged). `epochs`: one row
    per epoch of a trial, with trial, run_id, state, epoch, val_accuracy. `lacks`: a sentence for each
    kind of run that is missing.
    """

    name: str
    experiment: str
    parent_id: str
    dataset_sha256: str
    trials: pd.DataFrame
    winner: pd.DataFrame
    epochs: pd.DataFrame
    lacks: list[str]


def study_frames(records: ExperimentReader, experiment: str, name: str) -> StudyFrames:
    """Read one study, without runs that were interrupted or lost.

    Raises `UserError` if the study does not exist, has not ended, or contains a trial twice or a run on other data.
    """
    parents = records.parents("study", name)
    if len(parents) != 1:
        known = ", ".join(run.name for run in records.parents("study")) or "none"
        raise UserError(f"{len(parents)} studies in {experiment} are called {name!r}; there are: {known}")
    parent = parents[0]
    if parent.status != "FINISHED":
        raise UserError(f"study {name!r} has not ended ({parent.status}): finish it with harness.search first")
    children = records.children(parent.id)
    sha256 = parent.tags[DATASET_SHA256]
    for run in children:
        if run.tags[DATASET_SHA256] != sha256:
            raise UserError(f"run {run.id} of study {name!r} was made with other data than its study")
    counted = [run for run in children if run.tags[KIND] == "trial" and run.tags.get(STATE) in _ENDED]
    if not any(run.tags[STATE] == "complete" for run in counted):
        raise UserError(
            f"study {name!r} has no complete trial here: its runs were deleted in MLflow; restore them there"
        )
    trials = pd.DataFrame([_trial_row(run) for run in counted]).sort_values("trial", ignore_index=True)
    doubled = trials.loc[trials["trial"].duplicated(), "trial"]
    if len(doubled):
        raise UserError(f"study {name!r} holds trial {doubled.iloc[0]} twice; its records were altered")
    winners = [run for run in children if run.tags[KIND] == "winner" and run.tags.get(STATE) in JUDGED_STATES]
    winner = pd.DataFrame([_winner_row(run) for run in winners], columns=_WINNER).sort_values(
        ["trial", "seed"], ignore_index=True
    )
    lacks = _lacks(parent, trials, records.children(parent.id, deleted=True))
    return StudyFrames(name, experiment, parent.id, sha256, trials, winner, _epochs(records, trials), lacks)


def _lacks(parent: TrackedRun, trials: pd.DataFrame, deleted: Sequence[TrackedRun]) -> list[str]:
    """A sentence on what is not there any more, and one if the best trial is not; [] if the study is whole."""
    here = set(trials["trial"])
    gone = [run for run in deleted if run.tags[KIND] == "winner" or int(run.tags[TRIAL]) not in here]
    gone = [run for run in gone if run.tags.get(STATE) in _ENDED]
    sentences = []
    if gone:
        runs = ", ".join(f"{run.name} ({run.id})" for run in gone[:_SHOWN_RUNS]) + ", …" * (len(gone) > _SHOWN_RUNS)
        sentences.append(f"runs of this study were deleted in MLflow and are not counted: {runs}; restore them there")
    if TRIALS in parent.tags and int(parent.tags[TRIALS]) > len(here):
        sentences.append(f"the study had {parent.tags[TRIALS]} trials, and the runs of {len(here)} are here")
    best = trials.loc[trials["state"] == "complete", "val_accuracy"].max()
    if sentences and parent.metrics.get("val_accuracy", best) > best:
        sentences.append(f"its best trial, of validation accuracy {parent.metrics['val_accuracy']:.4f}, is not here")
    return sentences


def _trial_row(run: TrackedRun) -> dict[str, object]:
    params, metrics, tags = run.params, run.metrics, run.tags
    row: dict[str, object] = {"trial": int(tags[TRIAL]), "run_id": run.id, "state": tags[STATE]}
    row |= {name: kind(params[name]) for name, kind in _NUMBERS.items()}
    row["batch_norm"] = params["batch_norm"] == "True"
    row["copy"] = DUPLICATE_OF in tags
    return row | {name: metrics.get(name) for name in ("val_accuracy", "best_val_accuracy", "best_epoch")}


def _winner_row(run: TrackedRun) -> dict[str, object]:
    row: dict[str, object] = {"trial": int(run.tags[TRIAL]), "seed": int(run.params["seed"])}
    row |= {"run_id": run.id, "state": run.tags[STATE]}
    return row | {name: run.metrics.get(name) for name in ("test_loss", "test_accuracy")}


def _epochs(records: ExperimentReader, trials: pd.DataFrame) -> pd.DataFrame:
    parts = []
    trained = trials[~trials["copy"]]
    for trial, run_id, state in zip(trained["trial"], trained["run_id"], trained["state"], strict=True):
        history = pd.Series(records.history(run_id, "val_accuracy"), name="val_accuracy", dtype=float)
        frame = history.rename_axis("epoch").reset_index()
        parts.append(frame.assign(trial=trial, run_id=run_id, state=state))
    return pd.concat(parts, ignore_index=True)
