"""`python -m analysis`: the list of commands."""

import sys

from harness.cli.command import report_errors
from harness.cli.listing import show_commands

with report_errors(debug=False):
    show_commands(
        "analysis",
        {
            "report": "judge the claims, and write one page",
            "study": "report a search",
            "walkthrough": "the lesson's worked examples on one page",
            "momentum": "does momentum speed training?",
            "batch_noise": "do small batches make noisier paths?",
            "batch_norm": "does BatchNorm add 5 %?",
            "learning_rate": "is there a best lr between too small and too large?",
            "minibatch_cost": "do mini-batches make training cheaper?",
            "epochs": "are more epochs always better?",
            "escape": "does mini-batch noise leave local minima?",
            "ninety_nine": "do mature networks easily reach 99 %?",
        },
        sys.argv[1:],
    )
