"""How every command starts and ends: typer parses, and each ending is one line and an exit status.

Exit status 2 for bad input, 128 + signal for a stop by the user, 1 for anything else.
"""

import atexit
import codecs
import gc
import os
import shlex
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from harness.core.errors import Stopped, Terminated, UserError
from harness.storage.urls import without_password

_UNEXPECTED, _BAD_INPUT, _CTRL_C = 1, 2, 130
_LONGEST_LINE = 2_000
_HELP = {"help_option_names": ["-h", "--help"]}
_SCRIPT, _DISTRIBUTION = "harness", "lesson11-harness"
_GC_THRESHOLD = 100_000  # new objects between collections; with Python's 700, imports trigger many


def new_app() -> typer.Typer:
    """A typer application with the settings that all commands share."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=_HELP)


def run(app: typer.Typer) -> NoReturn:
    """Run `app` on the command line and exit. A wrong option is one line, not a usage page."""
    gc.set_threshold(_GC_THRESHOLD)
    _print_any_sign()
    _forget_warnings_of_the_shell()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = _print_version() if sys.argv[1:] == ["--version"] else _parse_and_run(app)
    except SystemExit as exit_:
        assert isinstance(exit_.code, int)
        status = exit_.code
    # Python would take torch, MLflow and Optuna apart object by object, which takes seconds. `gc.freeze` and `sys.exit`
    # are nearly as fast, but then nanobind prints pages of leak warnings once Triton was imported.
    atexit._run_exitfuncs()
    os._exit(_flush_output(status))


def _print_version() -> int:
    typer.echo(f"{_DISTRIBUTION} {version(_DISTRIBUTION)}")
    return 0


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _print_any_sign() -> None:
    """Print × and · in every locale: as UTF-8 where Python took the C locale for ASCII, else as ? where they lack."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # None if the shell has closed it
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else None, errors="replace")


def _forget_warnings_of_the_shell() -> None:
    """Without PYTHONWARNINGS, which may turn any warning of a library into an error, here and in child processes."""
    if os.environ.pop("PYTHONWARNINGS", ""):
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)


def _parse_and_run(app: typer.Typer) -> int:
    command = typer.main.get_command(app)
    try:
        return command.main(standalone_mode=False) or 0
    except typer.Abort:
        _end("stopped", _CTRL_C)
    except Exception as error:
        if not hasattr(error, "format_message"):  # usage errors of click and typer have it
            raise
        complaint = _one_line(error.format_message().replace("Value error, ", "")).rstrip(".")  # typer's prefix
        _end(f"error: {complaint} (see --help)", _BAD_INPUT)


def _flush_output(status: int) -> int:
    """Flush stdout and stderr; the exit status, which is not 0 if that fails."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None if the shell has closed it
        try:
            stream.flush()
        except OSError as error:
            status = status or _UNEXPECTED
            if not isinstance(error, BrokenPipeError):  # nobody reads our output any more
                message = f"error: output could not be written ({error.strerror}); redirect it to another place\n"
                with suppress(OSError):
                    os.write(2, message.encode())
            _discard(stream.fileno())
    return status


def _discard(file_descriptor: int) -> None:
    """Send what is still buffered nowhere, so that Python does not complain when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file_descriptor)


@contextmanager
def report_errors(debug: bool) -> Iterator[None]:
    """Turn exceptions into one line on stderr and an exit status; with `debug`, let unexpected ones through."""
    try:
        yield
    except UserError as error:
        _end(f"error: {error}", _BAD_INPUT)
    except Stopped as stop:
        _end(str(stop), stop.status)
    except BrokenPipeError:  # the reader has gone, for example with `| head`
        _discard(sys.stdout.fileno())
        raise SystemExit(_UNEXPECTED) from None
    except KeyboardInterrupt as stop:
        status = stop.status if isinstance(stop, Terminated) else _CTRL_C
        _end(f"stopped at once; resume with: {this_command()}", status)
    except Exception as error:
        if debug:
            raise
        _end(f"unexpected {type(error).__name__}: {error} (--debug shows the traceback)", _UNEXPECTED)


def this_command(portable: bool = False) -> str:
    """The command as it was typed, without passwords, so that it can be typed again here.

    `portable`: without the paths of this machine, for a page that is read elsewhere.
    """
    shown = map(_without_password, sys.argv[1:])
    arguments = shlex.join(map(_without_folder, shown) if portable else shown)
    if _is_script():
        return f"{_SCRIPT if portable else _script()} {arguments}".rstrip()
    path = Path(sys.argv[0])
    name = path.parent.name if path.stem == "__main__" else f"{path.parent.name}.{path.stem}"
    return f"{'python' if portable else python()} -m {name} {arguments}".rstrip()


def command_line(module: str, arguments: str = "") -> str:
    """How to run the command of a module ("harness.search") in the way in which this one was run."""
    package, _, name = module.partition(".")
    start = f"{_script()} {name}" if _is_script() else f"{python()} -m {package}.{name}"
    return f"{start} {arguments}".rstrip()


def python() -> str:
    """The running interpreter: `python` if that is it, else its path, relative if it is in the working directory."""
    here, executable = Path.cwd(), Path(sys.executable)
    if executable.is_relative_to(here):
        return shlex.quote(str(executable.relative_to(here)))
    found = shutil.which("python")
    return "python" if found and Path(found) == executable else shlex.quote(str(executable))


def _is_script() -> bool:
    return Path(sys.argv[0]).name == _SCRIPT


def _script() -> str:
    """The console script: its name if the shell finds it, else its path."""
    script = Path(sys.argv[0])
    found = shutil.which(_SCRIPT)
    if found and Path(found).samefile(script):
        return _SCRIPT
    return shlex.quote(str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script))


def _without_folder(argument: str) -> str:
    """`mine.toml` for `/home/me/mine.toml`, `csv:t.csv` for `csv:/home/me/t.csv`, and the like for an SQLite URL."""
    before, scheme, file = argument.partition("sqlite:////")
    if scheme:
        return f"{before}sqlite:///{Path(file).name}"
    head, sign, path = argument.rpartition("=" if argument.startswith("--") else ":")
    return f"{head}{sign}{Path(path).name}" if path.startswith("/") and not path.startswith("//") else argument


def _without_password(argument: str) -> str:
    name, sign, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return name + sign + without_password(value)


def _end(message: str, status: int) -> NoReturn:
    typer.echo(_one_line(message), err=True)
    raise SystemExit(status)


def _one_line(text: str) -> str:
    """The text on one line; the middle of a very long one is left out."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 300]} … {line[-300:]}"
