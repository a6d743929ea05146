"""How a command of this project starts and ends: typer parses, and whatever happens gives one line and a status.

Exit status 2 for bad input, 128 + signal for a stop by the person, 1 for anything else.
"""

import atexit
import gc
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import typer

from harness.core.errors import Stopped, UserError
from harness.storage.urls import without_password

_UNEXPECTED, _BAD_INPUT, _CTRL_C = 1, 2, 130
_NEW_OBJECTS = 100_000  # until the garbage collector looks for what can go; with Python's 700, imports set it off often


def run(app: typer.Typer) -> NoReturn:
    """Run `app` on the command line, and end the process; a wrong option is one line, not a usage page."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        status = _status_of(app)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        status = ended.code
    _leave(status)


def _status_of(app: typer.Typer) -> int:
    command = typer.main.get_command(app)
    try:
        return command.main(standalone_mode=False) or 0
    except typer.Abort:
        _end("stopped", _CTRL_C)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's and typer's own usage errors have it
            raise
        complaint = _one_line(error.format_message().replace("Value error, ", "")).rstrip(".")
        _end(f"error: {complaint} (see --help)", _BAD_INPUT)


def _leave(status: int) -> NoReturn:
    """End the process at once: to take torch, MLflow and Optuna apart, object by object, takes Python seconds."""
    atexit._run_exitfuncs()
    _close_databases()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the shell has closed it
        try:
            stream.flush()
        except BrokenPipeError:  # whoever read our output has gone
            status = status or _UNEXPECTED
        except OSError as error:
            status = status or _UNEXPECTED
            with suppress(OSError):  # there is nowhere left to say it
                os.write(2, f"error: output could not be written ({error.strerror}); send it elsewhere\n".encode())
    os._exit(status)


def _close_databases() -> None:
    """SQLite moves what its write-ahead log holds into the database when the last connection to it is closed.

    After a `gc.freeze` they would not be found.
    """
    if "sqlalchemy" in sys.modules:
        from sqlalchemy import Engine

        for one in gc.get_objects():
            if type(one) is Engine:
                one.dispose()


@contextmanager
def one_line_endings(debug: bool) -> Iterator[None]:
    """Turn what a command raises into one line on stderr and an exit status; with `debug`, let tracebacks through."""
    try:
        yield
    except UserError as error:
        _end(f"error: {_one_line(str(error))}", _BAD_INPUT)
    except Stopped as stop:
        _end(str(stop), stop.status)
    except BrokenPipeError:  # whoever read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_UNEXPECTED) from None
    except KeyboardInterrupt:
        _end(f"stopped at once; go on with: {this_command()}", _CTRL_C)
    except Exception as error:
        if debug:
            raise
        _end(f"unexpected {type(error).__name__}: {_one_line(str(error))} (--debug shows where)", _UNEXPECTED)


def this_command() -> str:
    """What the person typed, so that it can be typed again; but for passwords."""
    module = Path(sys.argv[0]).stem
    package = Path(sys.argv[0]).parent.name
    return shlex.join([python(), "-m", f"{package}.{module}", *map(_shown, sys.argv[1:])])


def _shown(argument: str) -> str:
    name, sign, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return name + sign + without_password(value)


def python() -> str:
    """The running interpreter, as short as it can be typed in the working directory."""
    here = Path.cwd()
    executable = Path(sys.executable)
    return str(executable.relative_to(here)) if executable.is_relative_to(here) else "python"


def _end(message: str, status: int) -> NoReturn:
    typer.echo(message, err=True)
    raise SystemExit(status)


def _one_line(text: str) -> str:
    return " ".join(text.split())
