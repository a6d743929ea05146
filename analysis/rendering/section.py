"""What a claim contributes to a page: pictures, tables and sentences, beside its verdicts. Types only."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.evidence.claims import Evidence
from analysis.judging.verdicts import Verdict
from harness.claims.claim import Claim


class Picture(NamedTuple):
    """Figures of one panel each, under one caption that says what to see; `name` is the stem of their files."""

    name: str
    caption: str
    figures: list[Figure]

    @property
    def files(self) -> dict[str, Figure]:
        """The stem of each file, and its figure: `name`, or `name-1`, `name-2`, …"""
        if len(self.figures) == 1:
            return {self.name: self.figures[0]}
        return {f"{self.name}-{number}": figure for number, figure in enumerate(self.figures, start=1)}


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
