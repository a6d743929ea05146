"""How searches compare: the best accuracy so far by trials and by training cost, alone and over several seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def best_so_far(trials: pd.DataFrame) -> pd.DataFrame:
    """What a search had found after each trial: trials (how many), cost (of all of them), best (the accuracy).

    `trials`: those of a `StudyFrames`. Only a complete trial can be the best; all of them cost, but for copies. Rows
    before the first complete trial have no best and are left out. `cost` is NaN if it is not recorded.
    """
    ordered = trials.sort_values("trial", ignore_index=True)
    complete = ordered["val_accuracy"].where(ordered["state"] == "complete")
    cost = ordered["cost"].where(~ordered["copy"], 0.0).fillna(0.0).cumsum()
    known = ordered["cost"].notna().any()
    curve = pd.DataFrame(
        {"trials": ordered.index + 1, "cost": cost if known else np.nan, "best": complete.cummax().ffill()}
    )
    return curve.dropna(subset="best").reset_index(drop=True)


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
