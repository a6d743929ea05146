"""Computes the lesson's worked examples and writes them as one page, each with the checks that prove it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from analysis.rendering.files import environment, write_files
from analysis.rendering.shown import png_files
from analysis.worked import batches, descent, gradients, images, steps
from analysis.worked.example import WorkedExample, context
from harness.cli import command
from harness.core.errors import Stopped
from harness.core.language import N_, _
from harness.storage.checks import tracking_uri
from harness.tracking.reports import log_report

_TITLE = N_("How a neural network learns: the lesson's worked examples")

# In the lesson's order.
EXAMPLES: Sequence[Callable[[], WorkedExample]] = (
    gradients.losses,
    descent.first_step,
    descent.surface,
    gradients.chain_rule,
    gradients.network,
    steps.one_step_of_two_sizes,
    steps.bowl,
    steps.momentum_by_hand,
    batches.paths,
    batches.escape,
    batches.loaders,
    images.images,
)


def write_walkthrough(out: Path, log: bool) -> None:
    """Write the page below `out`, print what holds, and log it. Raises `Stopped` if a check does not hold."""
    examples = [example() for example in EXAMPLES]
    files = write_page(examples, out)
    checks = [check for example in examples for check in example.checks]
    typer.echo(f"{len(examples)} examples, {sum(check.holds for check in checks)} of {len(checks)} checks hold")
    for check in checks:
        if not check.holds:
            typer.echo(f"FAILS: {check.statement}: {check.value}, {check.bound}")
    typer.echo(f"page: {files[0]}   figures: {len(files) - 1}")
    if log:
        run = log_report(tracking_uri(), "walkthrough", out, files, {}, "analysis.walkthrough")
        typer.echo(f"logged to MLflow: run {run} of the experiment reports")
    if not all(check.holds for check in checks):
        raise Stopped("a check does not hold", 1)


def write_page(examples: Sequence[WorkedExample], out: Path) -> list[Path]:
    """Write walkthrough.html and its figures below `out`; the files. Raises `UserError` if that is not possible."""
    shown = [context(example) for example in examples]
    made = _("Made {time} UTC by {command}.").format(
        time=f"{datetime.now(UTC):%Y-%m-%d %H:%M}", command=command.this_command(portable=True)
    )
    html = environment().get_template("walkthrough.html.jinja").render(title=_(_TITLE), made=made, parts=shown)
    figures = png_files([picture for part in shown for picture in part["pictures"]])
    return write_files(out, {"walkthrough.html": html.encode(), **figures})
