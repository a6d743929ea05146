"""How searches compare: the best accuracy so far by trials and by training cost, alone and over several seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from harness.studies import progress
from harness.tracking.schema import BEST_ACCURACY, TRAINING_COST


def best_so_far(trials: pd.DataFrame) -> pd.DataFrame:
    """What a search had found after each trial: trials (how many), cost (of all of them), best (the accuracy).

    `trials`: those of a `StudyFrames`. `cost` is NaN if it is not recorded.
    """
    ordered = trials.sort_values("trial")
    accuracies = ordered["val_accuracy"].where(ordered["state"] == "complete")
    costs = ordered["cost"].where(~ordered["copy"], 0.0).fillna(0.0)
    rows = [(None if np.isnan(accuracy) else accuracy, cost) for accuracy, cost in zip(accuracies, costs, strict=True)]
    curve = pd.DataFrame(progress.best_so_far(rows), columns=["trials", "cost", "best"])
    return curve if ordered["cost"].notna().any() else curve.assign(cost=np.nan)


def by_trial(evidence: Evidence, run_id: str) -> pd.DataFrame:
    """The same of a search that is an arm of a claim."""
    best, cost = evidence.curve(run_id, BEST_ACCURACY), evidence.curve(run_id, TRAINING_COST)
    return pd.DataFrame({"trials": best.index, "cost": cost.to_numpy(), "best": best.to_numpy()})


def band(curves: Sequence[pd.DataFrame], along: str) -> pd.DataFrame:
    """Several searches as one: at each point of `along`, mean, least and greatest of what they had found by then.

    Columns: `along`, mean, least, greatest. It begins where each search has found something, and ends with the shortest
    one.
    """
    points = np.unique(np.concatenate([curve[along].to_numpy(dtype=float) for curve in curves]))
    first = max(curve[along].iloc[0] for curve in curves)
    last = min(curve[along].iloc[-1] for curve in curves)
    points = points[(points >= first) & (points <= last)]
    found = np.stack([_at(curve, along, points) for curve in curves])
    return pd.DataFrame(
        {along: points, "mean": found.mean(axis=0), "least": found.min(axis=0), "greatest": found.max(axis=0)}
    )


def _at(curve: pd.DataFrame, along: str, points: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The best at each point: that of the last row at or before it."""
    rows = np.searchsorted(curve[along].to_numpy(dtype=float), points, side="right") - 1
    return curve["best"].to_numpy(dtype=float)[rows]
