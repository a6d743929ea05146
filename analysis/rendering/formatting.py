"""Verdicts as text: effects with intervals, sentences, settings. Computes nothing."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.judging.verdicts import Finding, Verdict, bounds
from harness.claims.arm import Arm
from harness.claims.claim import Claim
from harness.claims.estimands import MEASURES, Estimand
from harness.core.network import label

_QUESTIONS = {
    "lesson": "Without tuning",
    "tuned": "Each arm at its own best lr: what is left of it",
    "control": "Controls and further measures",
}
LEGEND = {
    "reproduced": "the effect is as claimed: its interval lies inside what was claimed, which was written down,"
    " with its margin, before the runs of this version of the claim file; each section names earlier runs.",
    "direction only": "the effect has the claimed sign, and is larger than claimed, smaller than claimed, or of"
    " uncertain size.",
    "not reproduced": "the effect is too small to matter (though not zero), negligible (too small to matter, if"
    " there is any), not found (the interval contains no effect and lies below the smallest one that matters), or"
    " reversed.",
    "inconclusive": "undecided: the interval contains both no effect (0, or 1 for a factor) and effects that matter.",
    "n": "the number of paired seeds: under each, all arms share split, initial weights and order of the examples.",
    "arm": "one setting that is compared; the first arm of a comparison is A, the other one B.",
    "primary": "the one comparison that gives a claim its verdict.",
    "p": "of a sign-flip test on the pairs; Holm: adjusted for the number of claims. P(A>B): share of seeds where A is"
    " greater; ties count half.",
    "mean, t; Newcombe; BCa; order statistics": "how the interval is made: Student's t, of a difference of shares, by a"
    " bootstrap, of a median where runs never reached the target.",
    "units": "an update is one step of descent; a point is one per cent of the examples; nats measure the loss (ln k"
    " for guessing among k classes, 2.3 for ten); × is a factor; a slope is an exponent.",
    "lr, momentum": "the learning rate; momentum 0.9 is γ = 0.9 (gamma).",
}
QUICK = (
    "a quick run: 3 seeds, a third of the stated epochs and updates, and the lowest loss that all runs reach as target;"
    " not evidence"
)
QUICK_MARK = "quick run, not evidence"
BUT = "but:"
_ORDER: tuple[Finding, ...] = (
    "as claimed", "larger than claimed", "of uncertain size", "smaller than claimed", "too small to matter",
    "negligible", "not found", "reversed", "undecided",
)  # fmt: skip
_DECIMAL = re.compile(r"(?<=_0)_(?=\d)")  # 0_3 in a name is 0.3
_NOTHING = 1e-12  # what float64 leaves of a difference that is 0


def questions(claim: Claim) -> dict[str, str]:
    """The heading of each group of estimands."""
    return _QUESTIONS | ({"lesson": "Without tuning: what the lesson shows"} if claim.section else {})


def number(value: float) -> str:
    """Three significant digits, ∞, or a dash if there is no number: `5.43`, `−0.138`, `1,230`."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{0.0 if abs(value) < _NOTHING else value:.3g}"
    return (f"{float(text):,.0f}" if 1000 <= abs(float(text)) < 1e6 else text).replace("-", "−")


def signed(value: float, digits: int) -> str:
    """A number with its sign: `+0.41`, `−0.04`."""
    return f"{value:+.{digits}f}".replace("-", "−")


def effect(verdict: Verdict) -> str:
    """`5.3 points [4.7, 5.9]`, or "no number" if too many runs have none."""
    if not math.isfinite(verdict.result.estimate):
        return "no number"
    return f"{number(verdict.effect)}{_unit(verdict)} [{number(verdict.low)}, {number(verdict.high)}]"


def _unit(verdict: Verdict) -> str:
    name = verdict.unit
    return f" {name}" if name and name != "(slope)" else ""


def sentence(verdict: Verdict) -> str:
    """The estimand's sentence with its number for {effect}."""
    estimand, result = verdict.estimand, verdict.result
    if math.isfinite(result.estimate):
        text = _filled(estimand.words, estimand, number(verdict.effect), number(10**result.estimate)) + "."
    else:
        text = f"{_filled(estimand.words, estimand, '…', '…')}: no number, as {lost(verdict)}."
    if verdict.needed:
        text += f" About {verdict.needed} seeds would settle it."
    return text


def lost(verdict: Verdict) -> str:
    """Why pairs have no number: `2 of 3 pairs hold a run that diverged`."""
    diverged, unreached, steps, undefined = verdict.lost
    is_loss, at = MEASURES[verdict.estimand.measure].at == "loss", verdict.estimand.at or math.nan
    run = f"a run that did not reach a loss of {at:g} within {steps:,} updates"
    search = f"a search that did not reach {at:g} % within {steps:,} trials"
    parts = [
        (diverged, "a run that diverged"),
        (unreached, run if is_loss else search),
        (undefined, "a run for which this measure has no meaning"),
    ]
    n = verdict.result.n
    return " and ".join(f"{count} of {n} pairs hold {what}" for count, what in parts if count)


def elsewhere(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """The primary effect under other conditions: `("negligible", "at lr 0.5: 0.1 points [−0.2, 0.4]")`.

    Then, as "but", what else the lesson says and the runs do not confirm.
    """
    found: dict[str, list[str]] = {label: [] for label in [*_ORDER, BUT]}
    for verdict in verdicts:
        estimand, result = verdict.estimand, verdict.result
        if estimand.when is not None:
            text = effect(verdict)
            if not math.isfinite(result.estimate):
                text = lost(verdict)
            found[verdict.finding].append(f"{condition(estimand)}: {text}")
        elif estimand.question == "lesson" and not estimand.primary and verdict.finding != "as claimed":
            found[BUT].append(_objection(verdict))
    return [(label, (". " if label == BUT else "; ").join(parts)) for label, parts in found.items() if parts]


def beyond(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Where the finding is not that of the first verdict, the primary one: `("reversed", "for momentum 0.99")`."""
    conditions = [one for one in verdicts if one.estimand.when is not None and one.finding != verdicts[0].finding]
    found = [
        (finding, "; ".join(condition(one.estimand) for one in conditions if one.finding == finding))
        for finding in _ORDER
        if any(one.finding == finding for one in conditions)
    ]
    return found + [one for one in elsewhere(verdicts) if one[0] == BUT]


def _objection(verdict: Verdict) -> str:
    """What the lesson says besides, and the runs do not confirm."""
    return f"{sentence(verdict).rstrip('.')} ({verdict.finding})"


def condition(estimand: Estimand) -> str:
    """What distinguishes an estimand from the others of its claim, in few words."""
    name = "the claim" if estimand.primary else _DECIMAL.sub(".", estimand.name).replace("_", " ")
    return _filled(estimand.when or name, estimand)


def _filled(text: str, estimand: Estimand, value: str = "", tenfold: str = "") -> str:
    return text.format(effect=value, at="" if estimand.at is None else f"{estimand.at:,g}", tenfold=tenfold)


def claimed(estimand: Estimand) -> str:
    """What was written down before the runs: `5 ± 1 points`, `at least 1.5 ×`."""
    if estimand.claimed is not None:
        text = f"{number(estimand.claimed)} ± {number(estimand.margin or 0.0)}"
    else:
        side = "at least" if bounds(estimand).side > 0 else "at most"
        text = f"{side} {number(estimand.smallest_effect or 0.0)}"
    return f"{text} {estimand.unit}".strip()


def reason(verdict: Verdict) -> str:
    """The claimed effect and the reason of the verdict."""
    return f"Claimed: {claimed(verdict.estimand)}; {verdict.reason}."


def p_value(verdict: Verdict) -> str:
    """The p of the paired sign-flip (or sign) test, and Holm's if there are several primary estimands."""
    p = verdict.result.p
    plain = "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return plain if math.isnan(verdict.holm) else f"{plain} (Holm {verdict.holm:.3f})"


def share(value: float) -> str:
    """A share of 1 to two digits."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def done(claim: Claim, data: str) -> str:
    """What was run, in some sentences."""
    parts = []
    arms = list(claim.arms.values())
    toys, searches = [arm for arm in arms if arm.fields.get("dataset") is not None], [arm for arm in arms if arm.search]
    runs = [arm for arm in arms if arm not in toys and arm not in searches]
    for some, what, place in (
        (runs, "arms", f"on {data}"),
        (toys, "arms", "of a toy function of one variable"),
        (searches, "searches", f"on {data}"),
    ):
        if some:
            seeds = " or ".join(str(count) for count in sorted({arm.seeds for arm in some}))
            parts.append(f"{len(some)} {what} {place}, each under {seeds} seeds that all {what} share")
    text = f"{'; '.join(parts)}."
    if searches:
        text += (
            " A search tries its trials on training examples, confirms the best three with fresh seeds on examples that"
            " did not train, and tests the winner with five more."
        )
    if claim.tuning:
        grid = ", ".join(f"{lr:g}" for lr in claim.tuning.lr)
        text += (
            f" Where an lr is tuned, each of {grid} was tried under {_seeds(len(claim.tuning.seeds))}. The one with"
            f" {criterion(claim)} was taken, measured on examples that did not train. Other seeds were used for the"
            " comparison."
        )
    return text


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def criterion(claim: Claim) -> str:
    """The criterion by which the lr of tuned arms is chosen."""
    targets = {arm.tune_to_loss for arm in claim.arms.values() if arm.tuned}
    criteria = [
        "the lowest validation loss after the last epoch"
        if target is None
        else f"the fewest updates to a validation loss of {target:g}"
        for target in sorted(targets, key=lambda target: target or 0.0)
    ]
    return " or ".join(criteria)


def settings(arm: Arm, chosen: Mapping[str, float]) -> str:
    """The settings of an arm: `lr 0.15 · gamma 0 · …`."""
    fields: dict[str, Any] = dict(arm.fields) | ({"lr": chosen[arm.name]} if arm.name in chosen else {})
    shown = {name: value for name, value in fields.items() if name != "dataset" and value is not False}
    return " · ".join(
        f"{label(name)} {f'{value:g}' if isinstance(value, float) else value}" for name, value in shown.items()
    )
