"""What concerns several claims of a report: Holm's adjustment, warnings, and a note from one claim to another."""

from collections.abc import Sequence

from analysis.evidence.claims import DIRTY
from analysis.judging.measures import measure
from analysis.judging.stats import holm
from analysis.rendering.section import Judged
from harness.claims.power import LEVEL, smallest_p

QUICK_WARNING = (
    "A QUICK LOOK: few seeds, and runs a third as long as the words say. It shows that everything works; it is no"
    " evidence."
)


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
        found += _deviations(one)
        is_positive = one.verdicts and one.verdicts[0].label in ("reproduced", "direction only")
        if is_positive and one.verdicts[0].holm >= LEVEL and not claim.quick:
            found.append(f"{claim.name}: p is {one.verdicts[0].holm:.3f} after Holm's adjustment, above {LEVEL}.")
        found += _grid_ends(one) + _code(one) + _undetectable(one)
    return found


def _deviations(one: Judged) -> list[str]:
    """What was done otherwise than the claim was written down."""
    claim, found = one.claim, []
    if one.evidence is None:
        return []
    if not claim.quick and claim.seeds.count != claim.preregistered_seeds:
        found.append(f"judged on {claim.seeds.count} seeds; the claim was written down for {claim.preregistered_seeds}")
    if one.evidence.source.other_texts:
        found.append(
            f"other texts of this claim were replicated here too ({', '.join(one.evidence.source.other_texts)})"
        )
    if seeds := one.evidence.source.seen_seeds:
        found.append(
            f"an earlier text of this claim was run on the same seeds ({seeds[0]} to {seeds[-1]}), so that its results"
            " could be known when this text was written; choose other seeds in the claim's file"
        )
    if one.evidence.source.deleted_runs:
        found.append(f"{one.evidence.source.deleted_runs} runs were deleted in MLflow and made again")
    return [f"{claim.name}: {sentence}." for sentence in found]


def _undetectable(one: Judged) -> list[str]:
    """Seeds that are too few for any verdict to be significant, and runs without a digest."""
    found = []
    if one.verdicts and smallest_p(one.verdicts[0].result.n) >= LEVEL:
        n = one.verdicts[0].result.n
        found.append(
            f"{one.claim.name}: with {n} seeds p is at least {smallest_p(n):g}, so that no verdict can be significant."
        )
    if one.evidence is not None and one.evidence.before_digests:
        found.append(
            f"{one.claim.name}: {one.evidence.before_digests} runs were recorded before digests, so that a change of"
            " their numbers would go unnoticed."
        )
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
        f"{one.claim.name}: the lr chosen for {arm!r}, {lr:g}, is at an end of its grid; a better one may lie beyond."
        for arm, lr in one.evidence.chosen.items()
        if lr in ends
    ]
