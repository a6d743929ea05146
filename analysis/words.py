"""Verdicts in words: effects with their intervals, sentences, settings. Formats numbers, computes none."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.verdicts import Outcome, Verdict, claimed_text
from harness.claims import Arm, Claim
from harness.estimands import Estimand

QUESTIONS = {
    "lesson": "At the lesson's settings: what the lesson shows",
    "tuned": "With the lr tuned for each arm: what is true of the method",
    "control": "Controls and further measures",
}
_ELSEWHERE: dict[Outcome, str] = {
    "as claimed": "holds",
    "larger": "is larger",
    "of unsure size": "has the same sign",
    "smaller": "is smaller",
    "too small": "is too small to matter",
    "gone": "vanishes",
    "reversed": "turns round",
    "open": "is open",
}
QUICK = "a quick look, no evidence"
LOST = "a run that diverged or never got there"
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
    name = verdict.unit
    return f" {name}" if name and name != "(slope)" else ""


def sentence(verdict: Verdict) -> str:
    """The estimand's words with its number in the place of {effect}."""
    words = _with_at(verdict.estimand.words, verdict.estimand)
    if math.isfinite(verdict.result.center):
        text = words.replace("{effect}", number(verdict.effect)) + "."
    else:
        lost = verdict.result.infinite + verdict.result.undefined
        text = words.replace("{effect}", "…") + f": no number, as {lost} of {verdict.result.n} pairs hold {LOST}."
    if verdict.needed:
        text += f" About {verdict.needed} seeds would settle it."
    return text


def elsewhere(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """What becomes of the primary effect under other conditions: `("vanishes", "at lr 0.5 (0.1 points); …")`."""
    found: dict[str, list[str]] = {label: [] for label in _ELSEWHERE.values()}
    for verdict in verdicts:
        if verdict.estimand.when is not None:
            told = f"{number(verdict.effect)}{_unit(verdict)}" if math.isfinite(verdict.result.center) else LOST
            found[_ELSEWHERE[verdict.outcome]].append(f"{condition(verdict.estimand)} ({told})")
    return [(label, "; ".join(conditions)) for label, conditions in found.items() if conditions]


def condition(estimand: Estimand) -> str:
    """What tells an estimand from the others of its claim, in few words."""
    return _with_at(estimand.when or ("the claim" if estimand.primary else estimand.name.replace("_", " ")), estimand)


def _with_at(text: str, estimand: Estimand) -> str:
    return text if estimand.at is None else text.replace("{at}", f"{estimand.at:,g}")


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
            f" Where an arm is tuned, each lr of {grid} was tried under {_seeds(len(claim.tuning.seeds))} not used for"
            f" judging; {criterion(claim)} chose, on images that did not train. Fresh seeds judge."
        )
    return text


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def criterion(claim: Claim) -> str:
    """What chooses the lr of tuned arms."""
    targets = {arm.tune_to_loss for arm in claim.arms.values() if arm.tuned}
    criteria = [
        "the lowest validation loss after the last epoch"
        if target is None
        else f"the fewest updates to a validation loss of {target:g}"
        for target in sorted(targets, key=lambda target: target or 0.0)
    ]
    return " or ".join(criteria)


def settings(arm: Arm, chosen: Mapping[str, float]) -> str:
    """`lr 0.15 · gamma 0 · …`: what differs from a field's default is named."""
    fields: dict[str, Any] = dict(arm.fields) | {"lr": chosen.get(arm.name, arm.fields.get("lr"))}
    told = {name: value for name, value in fields.items() if name != "dataset" and value is not False}
    return " · ".join(f"{name} {f'{value:g}' if isinstance(value, float) else value}" for name, value in told.items())
