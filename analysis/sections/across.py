"""What concerns several claims of a report: Holm's adjustment, warnings, and a note from one claim to another."""

from collections.abc import Sequence

from analysis.evidence.claims import DIRTY
from analysis.judging.measures import measure
from analysis.judging.stats import holm
from analysis.rendering import formatting
from analysis.rendering.section import Judged
from harness.claims.power import LEVEL, smallest_p
from harness.core.language import N_, _

QUICK_WARNING = N_(
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
            _(
                "{training:.1f} % on its training images and {unseen:.1f} % on unseen ones ({arm}, epoch {epoch})"
            ).format(training=training, unseen=unseen, arm=arm.shown, epoch=arm.fields["epochs"])
        )
    note = _(
        "If training accuracy is meant: the lesson's own network reaches {accuracies}, in the claim on epochs."
    ).format(accuracies=_("; ").join(reached))
    return [
        one._replace(section=one.section._replace(notes=[*one.section.notes, note])) if one.claim.published else one
        for one in judged
    ]


def warnings(judged: Sequence[Judged]) -> list[str]:
    """What a reader should know before the verdicts."""
    found = [_(QUICK_WARNING)] if any(one.claim.quick for one in judged) else []
    for one in judged:
        claim = one.claim
        found += _deviations(one)
        is_positive = one.verdicts and one.verdicts[0].label in ("reproduced", "direction only")
        if is_positive and one.verdicts[0].holm >= LEVEL and not claim.quick:
            found.append(
                _("{claim}: p is {p:.3f} after Holm's adjustment, above {level}.").format(
                    claim=claim.name, p=one.verdicts[0].holm, level=LEVEL
                )
            )
        found += _grid_ends(one) + _code(one) + _undetectable(one)
    return found


def _deviations(one: Judged) -> list[str]:
    """What was done otherwise than the claim was written down."""
    claim, found = one.claim, []
    if one.evidence is None:
        return []
    if not claim.quick and claim.seeds.count != claim.preregistered_seeds:
        found.append(
            _("{claim}: judged on {count} seeds; the claim was written down for {preregistered}.").format(
                claim=claim.name, count=claim.seeds.count, preregistered=claim.preregistered_seeds
            )
        )
    if one.evidence.source.other_texts:
        found.append(
            _("{claim}: other texts of this claim were replicated here too ({texts}).").format(
                claim=claim.name, texts=_(", ").join(one.evidence.source.other_texts)
            )
        )
    if seeds := one.evidence.source.seen_seeds:
        found.append(
            _(
                "{claim}: an earlier text of this claim was run on the same seeds ({first} to {last}), so that its"
                " results could be known when this text was written; choose other seeds in the claim's file."
            ).format(claim=claim.name, first=seeds[0], last=seeds[-1])
        )
    if deleted := one.evidence.source.deleted_runs:
        found.append(
            _("{claim}: {count} runs were deleted in MLflow and made again.").format(claim=claim.name, count=deleted)
        )
    return found


def _undetectable(one: Judged) -> list[str]:
    """Seeds that are too few for any verdict to be significant, and runs without a digest."""
    found = []
    if one.verdicts and smallest_p(one.verdicts[0].result.n) >= LEVEL:
        n = one.verdicts[0].result.n
        found.append(
            _("{claim}: with {n} seeds p is at least {p:g}, so that no verdict can be significant.").format(
                claim=one.claim.name, n=n, p=smallest_p(n)
            )
        )
    if one.evidence is not None and one.evidence.before_digests:
        found.append(
            _(
                "{claim}: {count} runs were recorded before digests, so that a change of their numbers would go"
                " unnoticed."
            ).format(claim=one.claim.name, count=one.evidence.before_digests)
        )
    return found


def _code(one: Judged) -> list[str]:
    if one.evidence is None:
        return []
    commits = one.evidence.source.commits
    if len(commits) > 1:
        text = _("{claim}: its runs were made by {count} states of the code: {commits}.")
    elif commits[0].endswith(DIRTY):
        text = _("{claim}: its runs were made by code that was not committed ({commits}).")
    else:
        return []
    return [text.format(claim=one.claim.name, count=len(commits), commits=formatting.commits(commits))]


def _grid_ends(one: Judged) -> list[str]:
    if one.evidence is None or one.claim.tuning is None:
        return []
    ends = (min(one.claim.tuning.lr), max(one.claim.tuning.lr))
    return [
        _("{claim}: the lr chosen for {arm!r}, {lr:g}, is at an end of its grid; a better one may lie beyond.").format(
            claim=one.claim.name, arm=one.claim.shown(arm), lr=lr
        )
        for arm, lr in one.evidence.chosen.items()
        if lr in ends
    ]
