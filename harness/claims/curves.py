"""Reads a value off a recorded curve, in the same way when an lr is chosen and when a claim is judged."""

import math
from collections.abc import Iterable
from itertools import pairwise


def steps_to(curve: Iterable[tuple[float, float]], target: float) -> float:
    """The step at which a falling curve of points (step, value) first is at or below `target`.

    Linear between the points; the first step if the curve starts there; ∞ if it never gets there.
    """
    points = sorted(curve)
    if points and points[0][1] <= target:
        return points[0][0]
    for (step, value), (next_step, next_value) in pairwise(points):
        if next_value <= target:
            return step + (next_step - step) * (value - target) / (value - next_value)
    return math.inf
