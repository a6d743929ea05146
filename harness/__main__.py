"""`python -m harness`: the list of commands."""

import sys

from harness.cli.command import report_errors
from harness.cli.listing import show_commands

with report_errors(debug=False):
    show_commands(
        "harness",
        {
            "search": "search hyperparameters with Optuna, and test the winner",
            "replicate": "make the runs that a claim of the lesson is judged by",
            "replay": "train a tracked run again, and compare every metric",
            "verify": "compare the runs of a claim or study with their digests",
            "relocate": "mend an MLflow database that was moved or copied with its folder",
            "lesson": "train with the lesson's own loop and progress line",
            "ui": "open the MLflow UI on the recorded runs",
        },
        sys.argv[1:],
    )
