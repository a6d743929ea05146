"""Verdicts in words: effects with their intervals, sentences, settings. Formats numbers, computes none."""

import math
from collections.abc import Mapping
from typing import Any

from analysis.verdicts import Verdict, claimed_text, unit
from harness.claims import Arm, Claim

QUESTIONS = {
    "lesson": "At the lesson's settings: what the lesson shows",
    "tuned": "With the lr tuned for each arm: what is true of the method",
    "control": "Controls and further measures",
}
_NOTHING = 1e-12  # what float64 leaves of a difference that is 0


def number(value: float) -> str:
    """Three digits, or ∞, or a dash where there is no number."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{0.0 if abs(value) < _NOTHING else value:.3g}".replace("-", "−")


def effect(verdict: Verdict) -> str:
    """`5.3 points [4.7, 5.9]`."""
    return f"{number(verdict.effect)}{_unit(verdict)} [{number(verdict.low)}, {number(verdict.high)}]"


def _unit(verdict: Verdict) -> str:
    name = unit(verdict.estimand)
    return f" {name}" if name and name != "(slope)" else ""


def sentence(verdict: Verdict) -> str:
    """The estimand's words with its number in the place of {effect}, else behind a colon."""
    words = verdict.estimand.words
    if "{effect}" in words:
        text = words.replace("{effect}", number(verdict.effect)) + "."
    else:
        text = f"{words[0].upper()}{words[1:]}: {number(verdict.effect)}{_unit(verdict)}."
    if verdict.needed:
        text += f" About {verdict.needed} seeds would settle it."
    return text


def reason(verdict: Verdict) -> str:
    """Why the verdict is what it is, against what was claimed."""
    return f"Claimed: {claimed_text(verdict.estimand)}; {verdict.reason}."


def p_value(verdict: Verdict) -> str:
    """The p of the paired sign-flip (or sign) test, and Holm's where there are several primary estimands."""
    p = verdict.result.p
    plain = "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return plain if math.isnan(verdict.holm) else f"{plain} (Holm {verdict.holm:.3f})"


def share(value: float) -> str:
    """A share of 1 to two digits."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def done(claim: Claim, data: str) -> str:
    """What was run, in one sentence."""
    counts = sorted({arm.seeds for arm in claim.arms.values()})
    seeds = " or ".join(str(count) for count in counts)
    text = f"{len(claim.arms)} arms, {seeds} paired seeds each, on {data}."
    if claim.tuning:
        grid = ", ".join(f"{lr:g}" for lr in claim.tuning.lr)
        text += (
            f" Where an arm is tuned, each lr of {grid} was tried on {len(claim.tuning.seeds)} seed(s) of its own, on"
            " training images without the validation part, and the lowest validation loss after the arm's last epoch"
            " chose, whatever the measure it is judged by; fresh seeds judge."
        )
    return text


def settings(arm: Arm, chosen: Mapping[str, float]) -> str:
    """`lr 0.15 · gamma 0 · …`: what differs from a field's default is named."""
    fields: dict[str, Any] = dict(arm.fields) | {"lr": chosen.get(arm.name, arm.fields.get("lr"))}
    told = {name: value for name, value in fields.items() if name != "dataset" and value is not False}
    return " · ".join(f"{name} {f'{value:g}' if isinstance(value, float) else value}" for name, value in told.items())
