import os
import shlex
import subprocess
import sys

import pytest
from support.paths import PROJECT

from harness.cli import command
from harness.core.errors import Stopped, UserError


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("lr is 0:\n it should be more"), 2, "error: lr is 0: it should be more"),
        (Stopped("stopped; go on", 143), 143, "stopped; go on"),
        (KeyboardInterrupt(), 130, "stopped at once; resume with: "),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            "unexpected ZeroDivisionError: division by zero (--debug",
        ),
    ],
)
def test_each_end_is_one_line_and_its_status(capsys, error, status, line):
    with pytest.raises(SystemExit) as end, command.report_errors(debug=False):
        raise error
    assert end.value.code == status
    shown = capsys.readouterr().err
    assert shown.startswith(line)
    assert shown.count("\n") == 1


def test_a_very_long_message_loses_its_middle(capsys):
    with pytest.raises(SystemExit), command.report_errors(debug=False):
        raise UserError(f"the cell is {'x' * 10_000_000}: it should be a number")
    shown = capsys.readouterr().err
    assert len(shown) <= 2_010
    assert shown.startswith("error: the cell is xxx") and shown.endswith("xxx: it should be a number\n")


def test_debug_lets_unexpected_errors_through():
    with pytest.raises(ZeroDivisionError), command.report_errors(debug=True):
        raise ZeroDivisionError


def test_a_good_end_is_silent(capsys):
    with command.report_errors(debug=False):
        pass
    assert capsys.readouterr().err == ""


def test_the_command_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/harness/search.py", "--study", "a b"])
    assert command.this_command().endswith("-m harness.search --study 'a b'")


def script(tmp_path, *lines):
    """A command whose body these lines are."""
    path = tmp_path / "command.py"
    body = "".join(f"    {line}\n" for line in lines)
    head = "import typer\nfrom harness.cli import command\napp = typer.Typer()\n@app.command()\n"
    path.write_text(f"{head}def main(number: int = 1) -> None:\n{body}command.run(app)\n")
    return [sys.executable, "-W", "error", str(path)]


def environment():
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | {
        "PYTHONPATH": str(PROJECT)
    }


def ended(command, *arguments):
    return subprocess.run([*command, *arguments], env=environment(), capture_output=True, text=True, check=False)


def test_a_wrong_option_is_one_line(tmp_path):
    done = ended(script(tmp_path, "pass"), "--number", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: Invalid value for '--number'")
    assert done.stderr.count("\n") == 1


def test_a_command_ends_with_what_was_to_be_done_and_without_taking_all_apart(tmp_path):
    command = script(
        tmp_path,
        "import atexit",
        "class Kept:",
        "    def __del__(self): print('taken apart')",
        "kept = Kept(); kept.itself = kept; command.kept = kept",
        "atexit.register(print, 'goodbye')",
        "print('hello')",
        "raise typer.Exit(number)",
    )
    done = ended(command, "--number", "3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello\ngoodbye\n", "")


def test_a_command_leaves_nothing_of_a_database_beside_it(tmp_path):
    done = ended(
        script(
            tmp_path,
            "from harness.storage.sqlite import dispose_engines_at_exit",
            "dispose_engines_at_exit()",
            "from sqlalchemy import create_engine, text",
            f"command.engine = create_engine('sqlite:///{tmp_path}/kept.db')",
            "with command.engine.begin() as connection:",
            "    connection.execute(text('pragma journal_mode=wal'))",
            "    connection.execute(text('create table kept (number integer)'))",
        )
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("kept.db*")] == ["kept.db"]


FULL = "error: output could not be written (No space left on device); redirect it to another place\n"


@pytest.mark.parametrize(
    ("redirected", "status", "message"),
    [(">&-", 0, ""), ("2>&-", 0, ""), (">/dev/full", 1, FULL), (">/dev/full 2>/dev/full", 1, "")],
)
def test_where_output_goes_nowhere_a_command_still_ends(tmp_path, redirected, status, message):
    line = shlex.join(script(tmp_path, "print('hello')"))
    done = subprocess.run(f"{line} {redirected}", shell=True, env=environment(), capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (status, message)


def test_an_error_that_is_to_be_seen_is_seen(tmp_path):
    done = ended(script(tmp_path, "raise ZeroDivisionError"))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and done.stderr.endswith("ZeroDivisionError\n")


def test_what_was_typed_is_repeated_without_its_passwords(monkeypatch):
    typed = [
        "harness/search.py",
        "--storage",
        "postgresql://o:secret@h/db",
        "--storage=mysql://o:secret@h/db",
        "--trials=3",
    ]
    monkeypatch.setattr(sys, "argv", typed)
    line = command.this_command()
    assert "secret" not in line
    assert line.endswith(
        "-m harness.search --storage 'postgresql://o:***@h/db' '--storage=mysql://o:***@h/db' --trials=3"
    )


def test_sigterm_is_one_line_at_any_moment():
    program = (
        "import sys, time; from harness.cli import command; app = command.new_app()\n"
        "def main():\n"
        "    with command.report_errors(False):\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "app.command()(main); sys.argv[0] = 'harness/thing.py'; command.run(app)"
    )
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        _output, errors = running.communicate(timeout=20)
    assert running.returncode == 143
    assert errors.startswith("stopped at once; resume with: ") and errors.count("\n") == 1


def test_warnings_of_the_shell_are_forgotten_here_and_in_children():
    program = (
        "import subprocess, sys, warnings, typer; from harness.cli import command; app = command.new_app()\n"
        "def main():\n"
        "    warnings.warn('old', DeprecationWarning)\n"
        "    subprocess.run([sys.executable, '-c', 'import warnings; warnings.warn(chr(110))'], check=True)\n"
        "app.command()(main); command.run(app)"
    )
    env = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "old" not in done.stderr


def test_a_reader_that_has_gone_is_no_error_message(tmp_path):
    script = tmp_path / "talks.py"
    script.write_text(
        "from harness.cli.command import report_errors\n"
        "with report_errors(debug=False):\n"
        "    for number in range(100_000):\n"
        "        print(number)\n"
    )
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, script], env=env, stdout=pipe, stderr=pipe, text=True) as talker:
        assert talker.stdout is not None
        assert talker.stderr is not None
        assert talker.stdout.readline() == "0\n"
        talker.stdout.close()
        assert talker.stderr.read() == ""
    assert talker.returncode == 1
