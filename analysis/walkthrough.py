"""`python -m analysis.walkthrough`: the lesson's worked examples on one page, each with the check that proves it.

Only puts the parts together. Unlike the rest of `analysis/`, which judges records, its parts compute with torch.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import command
from harness.cli.options import Debug, Out
from harness.core.errors import Stopped, UserError
from harness.storage.checks import check_tracking, tracking_uri

if TYPE_CHECKING:
    from analysis.worked.example import Part

_TITLE = "How a neural network learns: the lesson's worked examples"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Out = Path("reports"),
    log: Annotated[bool, typer.Option(help="Log the page to MLflow.")] = True,
    debug: Debug = False,
) -> None:
    """Compute the lesson's worked examples in its order, and write them as one page that needs no network."""
    with command.one_line_endings(debug):
        uri = tracking_uri()
        if log:
            check_tracking(uri)
        parts = [part() for part in lesson_parts()]
        files = write(parts, out)
        checks = [check for part in parts for check in part.checks]
        typer.echo(f"{len(parts)} examples, {sum(check.holds for check in checks)} of {len(checks)} checks hold")
        for check in checks:
            if not check.holds:
                typer.echo(f"FAILS: {check.statement}: {check.value}, {check.bound}")
        typer.echo(f"page: {files[0]}   figures: {len(files) - 1}")
        if log:
            from harness.tracking.reports import log_report

            run = log_report(uri, "walkthrough", out, files, {}, "analysis.walkthrough")
            typer.echo(f"logged to MLflow: run {run} of the experiment reports")
        if not all(check.holds for check in checks):
            raise Stopped("a check does not hold", 1)


def lesson_parts() -> "list[Callable[[], Part]]":
    """The parts in the lesson's order."""
    from analysis.worked import batches, descent, gradients

    return [
        gradients.losses,
        descent.first_step,
        descent.surface,
        gradients.chain_rule,
        gradients.network,
        descent.one_step_of_two_sizes,
        descent.bowl,
        descent.momentum_by_hand,
        batches.paths,
        batches.escape,
        batches.loaders,
    ]


def write(parts: "list[Part]", out: Path) -> list[Path]:
    """Write walkthrough.html and its figures below `out`; the files. Raises `UserError` where that cannot be done."""
    from analysis.rendering.page import environment
    from analysis.worked.example import context

    shown = [context(part) for part in parts]
    made = f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by {command.this_command()}."
    html = environment().get_template("walkthrough.html.jinja").render(title=_TITLE, made=made, parts=shown)
    figures = {picture["name"]: picture["png"] for part in shown for picture in part["pictures"]}
    page = out / "walkthrough.html"
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        page.write_text(html, encoding="utf-8")
        paths = [out / "figures" / f"{name}.png" for name in figures]
        for path, png in zip(paths, figures.values(), strict=True):
            path.write_bytes(png)
    except OSError as error:
        raise UserError(f"cannot write the page to {out} ({error.strerror}); choose a folder with --out") from None
    return [page, *paths]


if __name__ == "__main__":
    command.run(app)
