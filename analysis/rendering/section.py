"""What a claim contributes to a page: pictures, tables and sentences, beside its verdicts. Types only."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.evidence.claims import Evidence
from analysis.judging.verdicts import Verdict
from harness.claims.claim import Claim


class Picture(NamedTuple):
    """A figure; `name` is its file's stem, `caption` says what to see."""

    name: str
    caption: str
    figure: Figure


class Table(NamedTuple):
    """Numbers to print, already formatted as text."""

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
