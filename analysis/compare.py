"""`python -m analysis.compare OLD.json NEW.json`: what changed between two reports. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption

app = command.new_app()


@app.command()
def main(
    old: Annotated[Path, typer.Argument(help="An export of verdicts (analysis.report --export json).")],
    new: Annotated[Path, typer.Argument(help="A later one.")],
    debug: DebugOption = False,
) -> None:
    """Print the verdicts and effects that differ between two exports."""
    with command.report_errors(debug):
        from analysis.rendering.export import read_verdicts
        from analysis.reports.comparison import compare

        found = compare(read_verdicts(old), read_verdicts(new))
        typer.echo("\n".join([*found.verdicts, *found.effects]) or "no verdict and no effect differs")


if __name__ == "__main__":
    command.run(app)
