"""What `python -m harness` and `python -m analysis` print: their commands, one line each."""

import sys
from collections.abc import Mapping

from harness.cli.command import python
from harness.core.errors import UserError
from harness.core.validation import suggest


def show_commands(package: str, commands: Mapping[str, str], arguments: list[str]) -> None:
    """Print the commands (name → what it does) of a package. Raises `UserError` if a command was given as argument."""
    if arguments and arguments != ["--help"]:
        hint = suggest(arguments[0], commands)
        raise UserError(f"{arguments[0]!r} is not a command; {hint}there are {', '.join(commands)}")
    width = max(map(len, commands)) + len(package) + 1
    lines = [f"{python()} -m {f'{package}.{name}':<{width}}  {text}" for name, text in commands.items()]
    sys.stdout.write("\n".join([*lines, "", "Each takes --help."]) + "\n")
