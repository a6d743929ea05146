import os
import subprocess
import sys

import pytest
import typer
from places import PROJECT

from harness import command
from harness.errors import Stopped, UserError


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("lr is 0:\n it should be more"), 2, "error: lr is 0: it should be more"),
        (Stopped("stopped; go on", 143), 143, "stopped; go on"),
        (KeyboardInterrupt(), 130, "stopped at once; go on with: "),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            "unexpected ZeroDivisionError: division by zero (--debug",
        ),
    ],
)
def test_each_end_is_one_line_and_its_status(capsys, error, status, line):
    with pytest.raises(SystemExit) as end, command.one_line_endings(debug=False):
        raise error
    assert end.value.code == status
    shown = capsys.readouterr().err
    assert shown.startswith(line)
    assert shown.count("\n") == 1


def test_debug_lets_unexpected_errors_through():
    with pytest.raises(ZeroDivisionError), command.one_line_endings(debug=True):
        raise ZeroDivisionError


def test_a_good_end_is_silent(capsys):
    with command.one_line_endings(debug=False):
        pass
    assert capsys.readouterr().err == ""


def test_the_command_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/harness/search.py", "--study", "a b"])
    assert command.this_command().endswith("-m harness.search --study 'a b'")


def test_a_wrong_option_is_one_line(monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def main(number: int = 1) -> None:
        pass

    monkeypatch.setattr(sys, "argv", ["prog", "--number", "x"])
    with pytest.raises(SystemExit) as end:
        command.run(app)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: Invalid value for '--number'")
    assert shown.count("\n") == 1


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


def test_a_reader_that_has_gone_is_no_error_message(tmp_path):
    script = tmp_path / "talks.py"
    script.write_text(
        "from harness.command import one_line_endings\n"
        "with one_line_endings(debug=False):\n"
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
