"""A study written into MLflow by hand: no training, every number typed in."""

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.metrics import DatasetRecord, EpochMetrics
from harness.tracking.schema import TRAINING_COST

DATASET = DatasetRecord("digits", "ab" * 32, "sklearn", "", "", "digits")
TESTS = {421: 0.70, 422: 0.72, 423: 0.74}


def add_winner(tracking, parent, trial, tests=TESTS):
    """And the end of the study. An accuracy of None: the run diverged."""
    for seed, accuracy in tests.items():
        config = make_config(**LESSON, seed=seed, dataset="digits", split="lesson")
        run_id = tracking.start_run(
            parent, f"winner {trial} seed {seed}", "winner", config, {"harness.trial": str(trial)}
        )
        if accuracy is None:
            tracking.end_run(run_id, "diverged")
        else:
            tracking.end_run(run_id, "complete", metrics={"test_loss": 0.5, "test_accuracy": accuracy})
    tracking.end_run(parent, "complete")
    tracking.close(wait=True)


def add_trial(tracking, parent, number, state, curve, cost=3e9):
    config = make_config(**LESSON | {"lr": 0.1 * (number + 1)}, seed=420, dataset="digits", split="search")
    run_id = tracking.start_run(parent, f"trial {number}", "trial", config, {"harness.trial": str(number)})
    for epoch, accuracy in enumerate(curve, start=1):
        tracking.log_epoch(run_id, EpochMetrics(epoch, 1.0, 0.5, 1.0, accuracy, 0.25, 1000.0, 10))
    best = {"best_val_accuracy": max(curve), "best_epoch": curve.index(max(curve)) + 1} if curve else {}
    tracking.end_run(run_id, state, metrics=best | ({TRAINING_COST: cost} if cost else {}))
    tracking.close(wait=True)
