"""`python -m analysis`: the list of commands."""

import shlex
import sys

from harness.cli.command import command_line, report_errors
from harness.cli.commands import COMMANDS, Command, check_name, show_commands
from harness.core.errors import UserError

_CLAIMS = {
    "momentum": "does momentum speed training?",
    "batch_noise": "do small batches make noisier paths?",
    "batch_norm": "does BatchNorm add 5 %?",
    "learning_rate": "is there a best lr between too small and too large?",
    "usual_lr": "is the best lr a usual one?",
    "larger_steps": "does a full batch bear larger steps?",
    "uncertain_updates": "do small batches make the number of updates uncertain?",
    "minibatch_cost": "do mini-batches make training cheaper?",
    "epochs": "are more epochs always better?",
    "escape": "does mini-batch noise leave local minima?",
    "ninety_nine": "do mature networks easily reach 99 %?",
}

with report_errors(debug=False):
    commands = {name: found for name, found in COMMANDS.items() if found.module.startswith("analysis.")}
    commands |= {name: Command(f"analysis.{name}", text) for name, text in _CLAIMS.items()}
    if sys.argv[1:] and sys.argv[1:] not in (["--help"], ["-h"]):
        check_name(sys.argv[1], commands)
        raise UserError(f"write it as one word: {command_line(commands[sys.argv[1]].module, shlex.join(sys.argv[2:]))}")
    show_commands({name: command_line(found.module) for name, found in commands.items()}, commands)
