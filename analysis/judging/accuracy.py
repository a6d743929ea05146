"""A claimed accuracy, judged by what others published and by the runs of the claim's own arms, if it has any."""

from typing import NamedTuple

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.verdicts import Label
from harness.claims.claim import Claim
from harness.core.intervals import MeanInterval, mean_interval


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
    text = "; ".join(_sentence(arm, claimed) for arm in own)
    text += f"{'; ' if own else ''}the best of {len(counted)} published results that count is {best.test_accuracy:g} %"
    text += f" ({best.model})"
    others = [f"{result.test_accuracy:g} % ({result.model})" for result in claim.published if result.unreproduced]
    if others:
        text += f"; not counted, as no reproduction was found: {', '.join(others)}"
    holds = best.test_accuracy >= claimed or any(arm.accuracy.low >= claimed for arm in own)
    return ("reproduced" if holds else "not reproduced"), text


def _sentence(arm: Reached, claimed: float) -> str:
    n, mean, _, low, high, level = arm.accuracy
    lost = f", without {arm.diverged} that diverged" if arm.diverged else ""
    if not n:
        return f"{arm.words} diverged with every seed"
    gap = claimed - mean
    where = f"{abs(gap):.1f} points {'below' if gap >= 0 else 'above'}"
    return (
        f"{arm.words} reaches {mean:.2f} % ({100 * level:.0f} % interval {low:.2f} to {high:.2f}, {n} seeds{lost}),"
        f" {where} {claimed:g} %"
    )
