"""What concerns several claims of a report: Holm's adjustment, warnings, and a note from one claim to another."""

from collections.abc import Sequence

from analysis.evidence.claims import DIRTY
from analysis.judging.measures import measure
from analysis.judging.stats import holm
from analysis.rendering.section import Judged

QUICK_WARNING = (
    "A QUICK LOOK: few seeds, and runs a third as long as the words say. It shows that everything works; it is no"
    " evidence."
)
_LEVEL = 0.05


def adjusted(judged: Sequence[Judged]) -> list[Judged]:
    """The same with Holm's p on the primary estimands, if there are several."""
    result = list(judged)
    with_runs = [position for position, one in enumerate(judged) if one.verdicts]
    if len(with_runs) < 2:
        return result
    p_values = holm([judged[position].verdicts[0].result.p for position in with_runs])
    for position, p in zip(with_runs, p_values, strict=True):
        first, *others = judged[position].verdicts
        result[position] = judged[position]._replace(verdicts=[first._replace(holm=p), *others])
    return result


def with_own_training(judged: Sequence[Judged]) -> list[Judged]:
    """Add the training accuracy of the lesson's network to the published results, if it was judged too."""
    evidence = next((one.evidence for one in judged if one.claim.name == "epochs"), None)
    if evidence is None:
        return list(judged)
    reached = []
    for name, arm in evidence.claim.arms.items():
        training = measure(evidence, "train_accuracy", None, name).mean()
        unseen = training - measure(evidence, "generalization_gap", None, name).mean()
        reached.append(
            f"{training:.1f} % on its training images and {unseen:.1f} % on unseen ones ({name}, epoch"
            f" {arm.fields['epochs']})"
        )
    note = (
        f"If training accuracy is meant: the lesson's own network reaches {'; '.join(reached)}, in the claim on epochs."
    )
    return [
        one._replace(section=one.section._replace(notes=[*one.section.notes, note])) if one.claim.published else one
        for one in judged
    ]


def warnings(judged: Sequence[Judged]) -> list[str]:
    """What a reader should know before the verdicts."""
    found = [QUICK_WARNING] if any(one.claim.quick for one in judged) else []
    for one in judged:
        claim = one.claim
        if claim.arms and not claim.quick and claim.seeds.count != claim.preregistered_seeds:
            found.append(
                f"{claim.name}: judged on {claim.seeds.count} seeds; the claim was written down for"
                f" {claim.preregistered_seeds}."
            )
        is_positive = one.verdicts and one.verdicts[0].label in ("reproduced", "direction only")
        if is_positive and one.verdicts[0].holm >= _LEVEL and not claim.quick:
            found.append(f"{claim.name}: p is {one.verdicts[0].holm:.3f} after Holm's adjustment, above {_LEVEL}.")
        found += _grid_ends(one) + _code(one)
    return found


def _code(one: Judged) -> list[str]:
    if one.evidence is None:
        return []
    commits = one.evidence.source.commits
    if len(commits) > 1:
        return [f"{one.claim.name}: its runs were made by {len(commits)} states of the code: {', '.join(commits)}."]
    if commits[0].endswith(DIRTY):
        return [f"{one.claim.name}: its runs were made by code that was not committed ({commits[0]})."]
    return []


def _grid_ends(one: Judged) -> list[str]:
    if one.evidence is None or one.claim.tuning is None:
        return []
    ends = (min(one.claim.tuning.lr), max(one.claim.tuning.lr))
    return [
        f"{one.claim.name}: the lr chosen for {arm}, {lr:g}, is at an end of its grid; a better one may lie beyond."
        for arm, lr in one.evidence.chosen.items()
        if lr in ends
    ]
