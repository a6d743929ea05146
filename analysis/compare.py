"""`python -m analysis.compare`: what differs between two reports, or between studies. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption, OutputDirOption
from harness.core.errors import UserError
from harness.storage.checks import check_name, check_tracking, tracking_uri

app = command.new_app()


@app.command()
def main(
    names: Annotated[
        list[str],
        typer.Argument(metavar="OLD.json NEW.json | STUDY STUDY…", help="Two exports of verdicts, or studies."),
    ],
    group_by: Annotated[
        str, typer.Option(help="Draw studies that share it as one: sampler, pruner, network, …", show_default=False)
    ] = "",
    output_dir: OutputDirOption = Path("reports"),
    debug: DebugOption = False,
) -> None:
    """Print what differs between two exports (analysis.report --export json), or compare studies on one page."""
    with command.report_errors(debug):
        if len(names) < 2:
            raise UserError(f"{names[0]} alone: name two exports (.json), or two or more studies")
        exports = [name for name in names if name.endswith(".json")]
        if exports and (len(names) > 2 or len(exports) < 2):
            raise UserError(f"{' '.join(names)}: name exactly two exports (.json), or studies alone")
        if exports:
            from analysis.rendering.export import read_verdicts
            from analysis.reports.comparison import compare

            found = compare(*(read_verdicts(Path(name)) for name in names))
            typer.echo("\n".join([*found.verdicts, *found.effects]) or "no verdict and no effect differs")
            return
        for name in names:
            check_name(name)
        check_tracking(tracking_uri())

        from analysis.reports.searches import compare_studies

        compare_studies(names, group_by, output_dir)


if __name__ == "__main__":
    command.run(app)
