"""All commands by name: for the console script `harness`, `python -m harness` and `python -m analysis`.

Knows the other modules by name only, and imports the one that is called.
"""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from harness.cli import command
from harness.core.errors import UserError
from harness.core.validation import suggest


class Command(NamedTuple):
    """The module that holds a command as `app`, and what the command does."""

    module: str
    text: str


COMMANDS: Mapping[str, Command] = {
    "search": Command("harness.search", "search hyperparameters with Optuna, and test the winner"),
    "study": Command("analysis.study", "report a search"),
    "replicate": Command("harness.replicate", "make the runs that a claim of the lesson is judged by"),
    "report": Command("analysis.report", "judge the claims, and write one page"),
    "compare": Command("analysis.compare", "what differs between two reports, or between studies"),
    "walkthrough": Command("analysis.walkthrough", "the lesson's worked examples on one page"),
    "lesson": Command("harness.lesson", "train with the lesson's own loop and progress line"),
    "ui": Command("harness.ui", "open the MLflow UI on the recorded runs"),
    "replay": Command("harness.replay", "train a tracked run again, and compare every metric"),
    "verify": Command("harness.verify", "compare the runs of a claim or study with their digests"),
    "relocate": Command("harness.relocate", "mend an MLflow database that was moved or copied with its folder"),
}


_COMPLETION = "_HARNESS_COMPLETE"  # set by the shell, with what was typed so far in other variables


class _Commands(TyperGroup):
    """Imports a command's module when it is called, and not to list the commands."""

    def list_commands(self, _context: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: Any, name: str) -> Any:
        found = COMMANDS.get(name)
        return typer.main.get_command(import_module(found.module).app) if found else None


def run_named() -> None:
    """Run the command that the first argument names; without arguments, list all of them."""
    first = next(iter(sys.argv[1:]), "--help")
    with command.report_errors(debug=False):
        if first in ("--help", "-h") and _COMPLETION not in os.environ:
            show_commands({name: command.command_line(found.module) for name, found in COMMANDS.items()}, COMMANDS)
            return
        if not first.startswith("-"):
            check_name(first, COMMANDS)
    app = typer.Typer(cls=_Commands, pretty_exceptions_enable=False)
    app.callback()(_no_options)
    command.run(app)


def show_commands(typed: Mapping[str, str], commands: Mapping[str, Command]) -> None:
    """Print how each command is `typed`, and what it does."""
    width = max(map(len, typed.values()))
    lines = [f"{typed[name]:<{width}}  {found.text}" for name, found in commands.items()]
    sys.stdout.write("\n".join([*lines, "", "Each takes --help."]) + "\n")


def check_name(name: str, commands: Mapping[str, Command]) -> None:
    """Raise `UserError` if no command is called `name`."""
    if name not in commands:
        raise UserError(f"{name!r} is not a command; {suggest(name, commands)}there are {', '.join(commands)}")


def _no_options() -> None:
    """Search, replicate and report, with every run in MLflow."""
