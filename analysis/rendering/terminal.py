"""The verdicts of a claim for a terminal."""

from analysis.judging.accuracy import accuracy_verdict
from analysis.rendering import formatting
from analysis.rendering.language import columns, section_mark
from analysis.rendering.section import Judged
from harness.core.language import _


def text_table(judged: Judged) -> str:
    """The verdicts of one claim for a terminal."""
    claim = judged.claim
    heading = claim.title
    if claim.section:
        mark = section_mark(claim.section)
        heading = _("{title} ({section})").format(title=claim.title, section=mark)
    if claim.quick and claim.arms:
        heading = _("{heading}: {quick}").format(heading=heading, quick=_(formatting.QUICK))
    lines = [heading, f"  {claim.statement}"]
    if claim.primary is None:
        label, why = accuracy_verdict(claim, judged.evidence)
        return "\n".join([*lines, "  " + _("{verdict}: {reason}").format(verdict=_(label), reason=why)])
    for verdict in judged.verdicts:
        mark = "*" if verdict.estimand.primary else " "
        finding, effect = _padded(_(verdict.finding), 20), _padded(formatting.effect(verdict), 34)
        about = _("{reason} p {p}, n = {n}").format(
            reason=formatting.reason(verdict), p=formatting.p_value(verdict), n=verdict.result.n
        )
        lines += [f" {mark}{finding} {effect} {formatting.sentence(verdict)}", f"  {'':<20} {about}"]
    if claim.quick:
        last = _("* gives the claim its verdict: {verdict}, in a quick look")
    else:
        last = _("* gives the claim its verdict: {verdict}")
    return "\n".join([*lines, " " + last.format(verdict=_(judged.verdicts[0].label))])


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
