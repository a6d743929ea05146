"""A claimed accuracy, judged by what others published and by the runs of the claim's own arms, if it has any."""

from typing import NamedTuple

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.verdicts import Label
from harness.claims.claim import Claim
from harness.claims.published import Published
from harness.core.intervals import MeanInterval, mean_interval
from harness.core.language import _


class Reached(NamedTuple):
    """The test accuracy of an arm after its last epoch, in per cent, over the seeds that did not diverge."""

    words: str
    accuracy: MeanInterval
    diverged: int


def reached(evidence: Evidence | None) -> list[Reached]:
    """What each arm of the claim reached; [] without runs."""
    found: list[Reached] = []
    if evidence is None:
        return found
    for name, arm in evidence.claim.arms.items():
        accuracies = measure(evidence, "test_accuracy", None, name)
        trained = accuracies.dropna().tolist()
        found.append(Reached(arm.words, mean_interval(trained, within=(0.0, 100.0)), len(accuracies) - len(trained)))
    return found


def accuracy_verdict(claim: Claim, evidence: Evidence | None) -> tuple[Label, str]:
    """The label and the reason.

    Published results that nobody reproduced do not count. An arm counts if its whole interval reaches the claim.
    """
    claimed = claim.claimed_accuracy
    assert claimed is not None
    own = reached(evidence)
    counted = [result for result in claim.published if not result.unreproduced]
    best = max(counted, key=lambda result: result.test_accuracy)
    parts = [_sentence(arm, claimed) for arm in own]
    parts.append(
        _("the best of {count} published results that count is {result}").format(
            count=len(counted), result=_result(best)
        )
    )
    others = [_result(result) for result in claim.published if result.unreproduced]
    if others:
        parts.append(_("not counted, as no reproduction was found: {results}").format(results=_(", ").join(others)))
    holds = best.test_accuracy >= claimed or any(arm.accuracy.low >= claimed for arm in own)
    return ("reproduced" if holds else "not reproduced"), _("; ").join(parts)


def _result(result: Published) -> str:
    return _("{accuracy:g} % ({model})").format(accuracy=result.test_accuracy, model=result.model)


def _sentence(arm: Reached, claimed: float) -> str:
    n, mean, _sd, low, high, level = arm.accuracy
    if not n:
        return _("{arm} diverged with every seed").format(arm=arm.words)
    seeds = _("{n} seeds")
    if arm.diverged:
        seeds = _("{n} seeds, without {diverged} that diverged")
    gap = claimed - mean
    if gap >= 0:
        text = _(
            "{arm} reaches {mean:.2f} % ({level:.0f} % interval {low:.2f} to {high:.2f}, {seeds}), {gap:.1f} points"
            " below {claimed:g} %"
        )
    else:
        text = _(
            "{arm} reaches {mean:.2f} % ({level:.0f} % interval {low:.2f} to {high:.2f}, {seeds}), {gap:.1f} points"
            " above {claimed:g} %"
        )
    return text.format(
        arm=arm.words, mean=mean, level=100 * level, low=low, high=high, gap=abs(gap), claimed=claimed,
        seeds=seeds.format(n=n, diverged=arm.diverged),
    )  # fmt: skip
