"""The report of a search: a table on the screen, and the study's page. Every number comes from MLflow."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from analysis.evidence.studies import find_study
from analysis.rendering.export import exported
from analysis.rendering.files import write_files
from harness.core.config import OF_LESSON_NETWORK
from harness.core.language import _
from harness.storage.checks import tracking_uri
from harness.studies import findings
from harness.studies.frames import StudyFrames
from harness.studies.page import DIGITS, HEADERS, cell, study_page

_SHOWN_TRIALS = 10


def write_report(study: str, out: Path, formats: Sequence[str] = ()) -> None:
    """Print the report of a study (the newest if `study` is "") and write its page, and its trials in these formats.

    Raises `UserError` if there is no such study, or if its records are not acceptable.
    """
    uri = tracking_uri()
    frames = find_study(uri, study)
    typer.echo(_text(frames))
    name = frames.name.replace(":", "_")
    (page,) = write_files(out, {f"{name}.html": study_page(frames, uri).encode()})
    typer.echo(f"\npage: {page}")
    if formats:
        lacks = list(OF_LESSON_NETWORK) if frames.facts.network else []
        tables = {"trials": frames.trials.drop(columns=lacks), "fresh": _fresh(frames)}
        files = write_files(out, exported(name, tables, formats))
        typer.echo(f"exported: {', '.join(map(str, files))}")


def _formatters() -> "Mapping[Any, Callable[[object], str]]":
    """The same digits as on the page."""
    return {name: partial(cell, digits=digits) for name, digits in DIGITS.items()}


def _fresh(frames: StudyFrames) -> pd.DataFrame:
    """The runs with fresh seeds, with their kind."""
    kinds = {"confirmation": frames.confirmation, "winner": frames.winner, "baseline": frames.baseline}
    return pd.concat([runs.assign(kind=kind) for kind, runs in kinds.items()], ignore_index=True)


def _text(frames: StudyFrames) -> str:
    trial = findings.best_trial(frames)
    table = findings.ranked(frames)[
        ["trial", "state", "val_accuracy", "best_val_accuracy", "best_epoch", *frames.names, "run_id"]
    ].head(_SHOWN_TRIALS)
    table = table.assign(state=table["state"].map(_)).rename(columns={name: _(text) for name, text in HEADERS.items()})
    with pd.option_context("display.unicode.east_asian_width", True):
        rows = table.to_string(index=False, na_rep="–", formatters=_formatters())
    return "\n".join(
        [
            *(_("warning: {sentence}").format(sentence=sentence) for sentence in frames.lacks),
            _("study {name} ({experiment}, run {run})").format(
                name=frames.name, experiment=frames.experiment, run=frames.parent_id
            ),
            _("data  SHA-256 {sha256}").format(sha256=frames.facts.dataset_sha256),
            _("trials  {states}").format(states=findings.states_text(frames)),
            _("best  trial {trial}, validation accuracy {accuracy:.4f} (run {run})").format(
                trial=trial["trial"], accuracy=trial["val_accuracy"], run=trial["run_id"]
            ),
            *(_("confirmed  {line}").format(line=line) for line in findings.confirmed_texts(frames)),
            _("test  {text} (runs {runs})").format(
                text=findings.test_text(frames), runs=_(", ").join(findings.winner_runs(frames)["run_id"])
            ),
            *(_("gain  {line}").format(line=line) for line in filter(None, [findings.gain_sentence(frames)])),
            "",
            rows,
            "",
            *filter(None, [findings.earlier_winners(frames), findings.before_digests(frames)]),
            _(findings.CAUTION),
        ]
    )
