"""What a claim contributes to a page: pictures, tables and sentences, beside its verdicts. Types only, and reading."""

from importlib import import_module
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.frames import Evidence, claim_evidence
from analysis.verdicts import Verdict, judge_all
from harness.claims import Claim
from harness.records import Records

# Claims whose pictures and tables are made by a module of that name, in the order of a report; any other claim gets
# those of any_claim.py.
OWN_MODULE = (
    "momentum", "batch_noise", "batch_norm", "learning_rate", "minibatch_cost", "epochs", "escape", "ninety_nine",
)  # fmt: skip


class Picture(NamedTuple):
    """A figure; `name` is its file's stem, `caption` says what to see."""

    name: str
    caption: str
    figure: Figure


class Table(NamedTuple):
    """Numbers to print, already rounded as text or to be shown with four digits."""

    caption: str
    frame: pd.DataFrame


class Section(NamedTuple):
    """The pictures, tables and computed sentences of one claim."""

    pictures: list[Picture]
    tables: list[Table]
    notes: list[str]


class Judged(NamedTuple):
    """A claim with its evidence, judged; evidence is None where only published results are compared."""

    claim: Claim
    evidence: Evidence | None
    verdicts: list[Verdict]
    section: Section


def judge_claim(claim: Claim, uri: str) -> Judged:
    """Read the evidence for a claim from MLflow and judge it. Raises `UserError` where the evidence will not do."""
    if not claim.arms:
        return Judged(claim, None, [], import_module("analysis.any_claim").published_section(claim))
    module = import_module(f"analysis.{claim.name if claim.name in OWN_MODULE else 'any_claim'}")
    evidence = claim_evidence(Records(uri, f"claims/{claim.name}"), claim)
    verdicts = judge_all(evidence)
    return Judged(evidence.claim, evidence, verdicts, module.section(evidence, verdicts))
