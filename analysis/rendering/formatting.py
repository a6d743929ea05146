"""Verdicts as text: effects with intervals, sentences, settings. Computes nothing."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.evidence.claims import DIRTY
from analysis.judging.verdicts import Verdict, bounds
from harness.claims.arm import Arm
from harness.claims.claim import Claim
from harness.claims.estimands import MEASURES, Estimand
from harness.core.language import N_, _, language_code, ngettext
from harness.core.network import label

_QUESTIONS = {
    "lesson": N_("Without tuning"),
    "tuned": N_("Each arm at its own best lr: what is left of it"),
    "control": N_("Controls and further measures"),
}
QUICK = N_(
    "a quick run: 3 seeds, a third of the stated epochs and updates, and the lowest loss that all runs reach as target;"
    " not evidence"
)
QUICK_MARK = N_("quick run, not evidence")
BUT = N_("but:")
_ORDER = (
    N_("as claimed"), N_("larger than claimed"), N_("of uncertain size"), N_("smaller than claimed"),
    N_("too small to matter"), N_("negligible"), N_("not found"), N_("reversed"), N_("undecided"),
)  # fmt: skip
_WITH_UNIT = {
    "points": N_("{value} points"),
    "updates": N_("{value} updates"),
    "examples": N_("{value} examples"),
    "s": N_("{value} s"),
    "trials": N_("{value} trials"),
    "of all runs": N_("{value} of all runs"),
    "(slope)": N_("{value} (slope)"),
    "": "{value}",
}
_DECIMAL = re.compile(r"(?<=_0)_(?=\d)")  # 0_3 in a name is 0.3
_NOTHING = 1e-12  # what float64 leaves of a difference that is 0


def questions(claim: Claim) -> dict[str, str]:
    """The heading of each group of estimands."""
    shown = {question: _(heading) for question, heading in _QUESTIONS.items()}
    return shown | ({"lesson": _("Without tuning: what the lesson shows")} if claim.section else {})


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
        return _("no number")
    unit = verdict.unit if verdict.unit != "(slope)" else ""
    return f"{_with_unit(number(verdict.effect), unit)} [{number(verdict.low)}, {number(verdict.high)}]"


def _with_unit(value: str, unit: str) -> str:
    return _(_WITH_UNIT.get(unit, f"{{value}} {unit}")).format(value=value)


def sentence(verdict: Verdict) -> str:
    """The estimand's sentence with its number for {effect}."""
    estimand, result = verdict.estimand, verdict.result
    if math.isfinite(result.estimate):
        words = _filled(estimand.words, estimand, number(verdict.effect), number(10**result.estimate))
        text = _("{sentence}.").format(sentence=words)
    else:
        words = _filled(estimand.words, estimand, "…", "…")
        text = _("{sentence}: no number, as {reason}.").format(sentence=words, reason=lost(verdict))
    if verdict.needed:
        text = _("{sentence} About {seeds} seeds would settle it.").format(sentence=text, seeds=verdict.needed)
    return text


def lost(verdict: Verdict) -> str:
    """Why pairs have no number: `2 of 3 pairs hold a run that diverged`."""
    diverged, unreached, steps, undefined = verdict.lost
    is_loss, at = MEASURES[verdict.estimand.measure].at == "loss", verdict.estimand.at or math.nan
    run = _("{count} of {n} pairs hold a run that did not reach a loss of {at:g} within {steps:,} updates")
    search = _("{count} of {n} pairs hold a search that did not reach {at:g} % within {steps:,} trials")
    parts = [
        (diverged, _("{count} of {n} pairs hold a run that diverged")),
        (unreached, run if is_loss else search),
        (undefined, _("{count} of {n} pairs hold a run for which this measure has no meaning")),
    ]
    n = verdict.result.n
    return _(" and ").join(text.format(count=count, n=n, at=at, steps=steps) for count, text in parts if count)


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
            found[verdict.finding].append(_("{condition}: {effect}").format(condition=condition(estimand), effect=text))
        elif estimand.question == "lesson" and not estimand.primary and verdict.finding != "as claimed":
            found[BUT].append(_objection(verdict))
    return [(label, (_(". ") if label == BUT else _("; ")).join(parts)) for label, parts in found.items() if parts]


def beyond(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Where the finding is not that of the first verdict, the primary one: `("reversed", "for momentum 0.99")`."""
    conditions = [one for one in verdicts if one.estimand.when is not None and one.finding != verdicts[0].finding]
    found = [
        (finding, _("; ").join(condition(one.estimand) for one in conditions if one.finding == finding))
        for finding in _ORDER
        if any(one.finding == finding for one in conditions)
    ]
    return found + [one for one in elsewhere(verdicts) if one[0] == BUT]


def _objection(verdict: Verdict) -> str:
    """What the lesson says besides, and the runs do not confirm."""
    return _("{sentence} ({finding})").format(sentence=sentence(verdict).rstrip(".。"), finding=_(verdict.finding))


def condition(estimand: Estimand) -> str:
    """What distinguishes an estimand from the others of its claim; in Chinese its words where it has but a name."""
    if estimand.when or estimand.primary:
        return _filled(estimand.when or _("the claim"), estimand)
    if language_code() != "en":
        return _filled(estimand.words, estimand, "…", "…")
    return _DECIMAL.sub(".", estimand.name).replace("_", " ")


def _filled(text: str, estimand: Estimand, value: str = "", tenfold: str = "") -> str:
    return text.format(effect=value, at="" if estimand.at is None else f"{estimand.at:,g}", tenfold=tenfold)


def claimed(estimand: Estimand) -> str:
    """What was written down before the runs: `5 ± 1 points`, `at least 1.5 ×`."""
    if estimand.claimed is not None:
        return _with_unit(f"{number(estimand.claimed)} ± {number(estimand.margin or 0.0)}", estimand.unit)
    smallest = _with_unit(number(estimand.smallest_effect or 0.0), estimand.unit)
    return (_("at least {value}") if bounds(estimand).side > 0 else _("at most {value}")).format(value=smallest)


def reason(verdict: Verdict) -> str:
    """The claimed effect and the reason of the verdict."""
    return _("Claimed: {claimed}; {reason}.").format(claimed=claimed(verdict.estimand), reason=verdict.reason)


def p_value(verdict: Verdict) -> str:
    """The p of the paired sign-flip (or sign) test, and Holm's if there are several primary estimands."""
    p = verdict.result.p
    plain = "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return plain if math.isnan(verdict.holm) else _("{p} (Holm {holm:.3f})").format(p=plain, holm=verdict.holm)


def commits(found: Sequence[str]) -> str:
    """The commits of the code that made runs."""
    changed = _("{commit} with changes")
    return _(", ").join(changed.format(commit=one.removesuffix(DIRTY)) if one.endswith(DIRTY) else one for one in found)


def share(value: float) -> str:
    """A share of 1 to two digits."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def done(claim: Claim, data: str) -> str:
    """What was run, in some sentences."""
    parts = []
    arms = list(claim.arms.values())
    toys, searches = [arm for arm in arms if arm.fields.get("dataset") is not None], [arm for arm in arms if arm.search]
    runs = [arm for arm in arms if arm not in toys and arm not in searches]
    for some, words in (
        (runs, _("{count} arms on {data}, each under {seeds} seeds that all arms share")),
        (toys, _("{count} arms of a toy function of one variable, each under {seeds} seeds that all arms share")),
        (searches, _("{count} searches on {data}, each under {seeds} seeds that all searches share")),
    ):
        if some:
            seeds = _(" or ").join(str(count) for count in sorted({arm.seeds for arm in some}))
            parts.append(words.format(count=len(some), data=data, seeds=seeds))
    text = _("{sentence}.").format(sentence=_("; ").join(parts))
    if searches:
        text = _(
            "{sentence} A search tries its trials on training examples, confirms the best three with fresh seeds on"
            " examples that did not train, and tests the winner with five more."
        ).format(sentence=text)
    if claim.tuning:
        count = len(claim.tuning.seeds)
        text = _(
            "{sentence} Where an lr is tuned, each of {grid} was tried under {seeds}. The one with {criterion} was"
            " taken, measured on examples that did not train. Other seeds were used for the comparison."
        ).format(
            sentence=text,
            grid=_(", ").join(f"{lr:g}" for lr in claim.tuning.lr),
            seeds=ngettext("one seed", "{n} seeds", count).format(n=count),
            criterion=criterion(claim),
        )
    return text


def criterion(claim: Claim) -> str:
    """The criterion by which the lr of tuned arms is chosen."""
    targets = {arm.tune_to_loss for arm in claim.arms.values() if arm.tuned}
    criteria = [
        _("the lowest validation loss after the last epoch")
        if target is None
        else _("the fewest updates to a validation loss of {target:g}").format(target=target)
        for target in sorted(targets, key=lambda target: target or 0.0)
    ]
    return _(" or ").join(criteria)


def settings(arm: Arm, chosen: Mapping[str, float]) -> str:
    """The settings of an arm: `lr 0.15 · gamma 0 · …`."""
    fields: dict[str, Any] = dict(arm.fields) | ({"lr": chosen[arm.name]} if arm.name in chosen else {})
    shown = {name: value for name, value in fields.items() if name != "dataset" and value is not False}
    return " · ".join(
        f"{label(name)} {f'{value:g}' if isinstance(value, float) else value}" for name, value in shown.items()
    )
