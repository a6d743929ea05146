"""`python -m harness.verify CLAIM|STUDY`: whether what is recorded is what was recorded. The command line alone."""

from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DataDirOption, DebugOption
from harness.core.errors import UserError
from harness.storage.checks import check_tracking, tracking_uri

app = command.new_app()


@app.command()
def main(
    name: Annotated[str, typer.Argument(metavar="CLAIM|STUDY", help="The name of a claim or of a study.")],
    replay: Annotated[int, typer.Option(help="Random runs to train again and compare bit for bit.")] = 0,
    data_dir: DataDirOption = None,
    debug: DebugOption = False,
) -> None:
    """Compare every run of a claim or a study with the digest that was recorded with it; exit status 1 if one differs.

    No record changes.
    """
    with command.report_errors(debug):
        if replay < 0:
            raise UserError(f"--replay is {replay}: it should be at least 0")
        check_tracking(tracking_uri())

        from harness.tracking.verification import verify

        verify(tracking_uri(), name, replay, data_dir)


if __name__ == "__main__":
    command.run(app)
