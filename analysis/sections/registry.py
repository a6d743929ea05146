"""From the name of a claim to a judged claim with its section. Only puts the parts together."""

from importlib import import_module

from analysis.evidence.claims import Evidence, claim_evidence
from analysis.judging.verdicts import Verdict, judge_all
from analysis.rendering.section import Judged, Section
from analysis.sections import default
from harness.claims.claim import Claim
from harness.tracking.reader import Records

# Claims whose pictures and tables are made by a module of that name, in the order of a report; any other claim gets
# those of default.py.
OWN_MODULE = (
    "momentum", "batch_noise", "batch_norm", "learning_rate", "minibatch_cost", "epochs", "escape", "ninety_nine",
)  # fmt: skip


def judge_claim(claim: Claim, uri: str) -> Judged:
    """Read the evidence for a claim from MLflow and judge it. Raises `UserError` where the evidence will not do."""
    if not claim.arms:
        return Judged(claim, None, [], default.published_section(claim))
    evidence = claim_evidence(Records(uri, f"claims/{claim.name}", claim.command), claim)
    verdicts = judge_all(evidence)
    return Judged(evidence.claim, evidence, verdicts, _section(evidence, verdicts))


def _section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    claim = evidence.claim
    if claim.name not in OWN_MODULE:
        return default.section(evidence, verdicts)
    module = import_module(f"analysis.sections.{claim.name}")
    needed = {*module.ARMS, *module.ESTIMANDS}
    lost = sorted(needed - claim.arms.keys() - {estimand.name for estimand in claim.estimands})
    if lost:  # somebody changed the claim's file: it is judged all the same
        note = f"The claim's own figures are not shown: its file has no more {', '.join(lost)}."
        plain = default.section(evidence, verdicts)
        return plain._replace(notes=[*plain.notes, note])
    section: Section = module.section(evidence, verdicts)
    return section
