"""A verdict of typed-in numbers."""

import math

import pandas as pd

from analysis.judging.stats import Effect
from analysis.judging.verdicts import RULE, Lost, Verdict
from harness.claims.estimands import Estimand

NONE_LOST = Lost(0, 0, 0, 0)


def verdict(
    finding="as claimed", value=5.0, when=None, needed=0, lost=NONE_LOST, at=None, compare="difference",
    question="lesson", measure="train_accuracy",
):  # fmt: skip
    estimand = Estimand(
        name="e", words="Norm adds {effect} points", when=when, question=question, measure=measure,
        at=at, compare=compare, arms=["a", "b"], claimed=5.0, margin=1.0,
    )  # fmt: skip
    result = Effect(10, value, 1.0, value - 1, value + 1, "mean, t", 0.002, 1.0, 0, 0)
    unit = "×" if compare == "log_ratio" else "points"
    label, reason = RULE[finding]
    return Verdict("c", estimand, finding, label, reason, value, value - 1, value + 1, unit, result, math.nan, needed,
                   pd.Series([value]), lost)  # fmt: skip
