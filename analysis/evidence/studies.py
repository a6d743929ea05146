"""A tracked search as tidy DataFrames. Refuses records that are missing, unfinished or duplicated."""

from typing import NamedTuple

import pandas as pd

from harness.core.errors import UserError
from harness.tracking.reader import ExperimentReader, TrackedRun
from harness.tracking.schema import DATASET_SHA256, DUPLICATE_OF, JUDGED_STATES, KIND, STATE, TRIAL

_ENDED = ("complete", "pruned", "diverged", "failed")  # an interrupted run runs again
_WINNER = ["trial", "seed", "run_id", "state", "test_loss", "test_accuracy"]
_NUMBERS = {"lr": float, "gamma": float, "batch_size": int, "epochs": int, "seed": int}


class StudyFrames(NamedTuple):
    """A study as recorded.

    `trials`: one row per trial that counts, with trial, run_id, state, the hyperparameters, seed, copy (whether it
    repeats an earlier config), val_accuracy (of its last epoch), best_val_accuracy, best_epoch. `winner`: one row per
    run of the winner, with trial, seed, run_id, state, test_loss, test_accuracy (NaN if it diverged). `epochs`: one row
    per epoch of a trial, with trial, run_id, state, epoch, val_accuracy.
    """

    name: str
    experiment: str
    parent_id: str
    dataset_sha256: str
    trials: pd.DataFrame
    winner: pd.DataFrame
    epochs: pd.DataFrame


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
    trials = pd.DataFrame([_trial_row(run) for run in counted]).sort_values("trial", ignore_index=True)
    doubled = trials.loc[trials["trial"].duplicated(), "trial"]
    if len(doubled):
        raise UserError(f"study {name!r} holds trial {doubled.iloc[0]} twice; its records were altered")
    winners = [run for run in children if run.tags[KIND] == "winner" and run.tags.get(STATE) in JUDGED_STATES]
    winner = pd.DataFrame([_winner_row(run) for run in winners], columns=_WINNER).sort_values(
        ["trial", "seed"], ignore_index=True
    )
    return StudyFrames(name, experiment, parent.id, sha256, trials, winner, _epochs(records, trials))


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
