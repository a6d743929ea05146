"""`python -m harness.replay RUN_ID`: train a tracked run again and compare every metric. The command line alone."""

from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DataDirOption, DebugOption
from harness.storage.checks import check_tracking, tracking_uri

app = command.new_app()


@app.command()
def main(
    run_id: Annotated[
        str, typer.Argument(help="The id of a trial, a winner, an arm or a tuning run in MLflow, or its beginning.")
    ],
    data_dir: DataDirOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a tracked run again and compare every metric, bit for bit; exit status 1 if one differs.

    Nothing in MLflow changes. Differences in commit, libraries, processor or data are reported.
    """
    with command.report_errors(debug):
        check_tracking(tracking_uri())

        from harness.tracking.replay import replay_run

        replay_run(tracking_uri(), run_id, data_dir)


if __name__ == "__main__":
    command.run(app)
