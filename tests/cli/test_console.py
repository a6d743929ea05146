import io

import pytest
from rich.console import Console as RichConsole

from harness.cli.console import Console, format_params

LESSON = {"lr": 0.0167777, "gamma": 0.99, "batch_size": 1024, "epochs": 10, "batch_norm": False}
SHORT = "lr 0.01678 · gamma 0.99 · batch 1024 · epochs 10 · norm off"


def console(terminal, width=200):
    output = io.StringIO()
    rich = RichConsole(
        file=output, force_terminal=terminal, width=width, highlight=False, soft_wrap=True, color_system=None
    )
    return Console(rich), output


def test_params_are_shown_shortly_and_switches_in_words():
    params = {"lr": 0.0167777, "gamma": 0.0, "batch_size": 128, "batch_norm": True}
    assert format_params(params) == "lr 0.01678 · gamma 0 · batch_size 128 · batch_norm on"
    assert format_params(params, short=True) == "lr 0.01678 · gamma 0 · batch 128 · norm on"


def test_without_a_terminal_there_are_plain_lines_and_no_display():
    shown, output = console(terminal=False, width=40)
    with shown:
        shown.set_progress(1, 30)
        shown.count_epoch()
        shown.show_best(0.9, {"lr": 0.1})
        shown.print_run("trial 3", "pruned", "0.8000 at epoch 2, 1.0 s", {"lr": 0.1})
        shown.print_run("trial 4", "diverged", "0.1000 at epoch 2, 1.0 s", {"lr": 9.0}, "loss nan")
        shown.warn("look [here], at a line that is longer than this")
    assert output.getvalue() == (
        "trial 3              pruned      0.8000 at epoch 2, 1.0 s           lr 0.1\n"
        "trial 4              diverged    0.1000 at epoch 2, 1.0 s · loss nan lr 9\n"
        "warning: look [here], at a line that is longer than this\n"
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_shows_progress_and_time_left_on_one_line_and_the_best_below(width):
    shown, output = console(terminal=True, width=width)
    with shown:
        shown.set_progress(18, 30, left="about 12 min left")
        shown.count_epoch()
        shown.show_best(0.8912, LESSON)
    lines = output.getvalue().split("\n")
    (at,) = {number for number, line in enumerate(lines) if "18/30" in line and "about 12 min left" in line}
    assert "━" in lines[at]
    best = f"best 0.8912: {SHORT if width < 100 else format_params(LESSON)}"
    assert " ".join(lines[at + 1 :]).startswith(best[: width - 10])


def test_the_display_leaves_nothing_on_the_screen():
    shown, output = console(terminal=True)
    with shown:
        shown.set_progress(1, 30)
    assert output.getvalue().endswith("\x1b[1A\x1b[2K")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_gets_a_run_in_indented_lines_that_fit(width):
    shown, output = console(terminal=True, width=width)
    shown.print_run("trial 3", "complete", "0.8000 at epoch 2, 1.0 s", LESSON, "a note of many words " * 5)
    first, *below = output.getvalue().splitlines()
    assert first == "trial 3  complete  0.8000 at epoch 2, 1.0 s"
    assert all(line.startswith("    ") and len(line) <= width for line in below)
    params = SHORT if width < 80 else format_params(LESSON)
    assert " ".join(" ".join(below).split()) == f"{params} {'a note of many words ' * 5}".strip()


def test_a_wide_terminal_gets_a_table():
    shown, output = console(terminal=True, width=120)
    shown.print_run("trial 3", "complete", "0.8000 at epoch 2, 1.0 s", LESSON)
    shown.print_run("trial 12", "pruned", "0.7000 at epoch 10, 11.0 s", LESSON | {"lr": 1.5e-5})
    heading, *rows = output.getvalue().splitlines()
    assert heading.split() == ["run", "state", "result", *LESSON]
    assert [row.split()[-5:] for row in rows] == [
        ["0.01678", "0.99", "1024", "10", "off"],
        ["1.5e-05", "0.99", "1024", "10", "off"],
    ]
    assert len({len(row) for row in (heading, *rows)}) == 1
    assert heading.index("result") == rows[0].index("0.8000") == rows[1].index("0.7000")


def test_fields_stand_in_two_columns():
    shown, output = console(terminal=False)
    shown.print_fields({"a": "1", "longer": "[2]"})
    assert output.getvalue() == "a       1\nlonger  [2]\n"


def test_a_terminal_gets_fields_in_lines_that_fit_and_commands_in_one():
    shown, output = console(terminal=True, width=60)
    shown.print_fields({"long": "word " * 20})
    assert all(len(line) <= 60 for line in output.getvalue().splitlines())
    shown, output = console(terminal=True, width=60)
    shown.print_fields({"run": "python -m harness.search " * 4}, are_commands=True)
    assert output.getvalue().count("\n") == 1


@pytest.mark.parametrize("state", ["complete", "pruned", "diverged", "failed", "interrupted"])
@pytest.mark.parametrize("width", [60, 120])
def test_every_state_has_a_style(state, width):
    shown, output = console(terminal=True, width=width)
    shown.print_run("trial 0", state, "", LESSON)
    assert state in output.getvalue()


def test_a_name_that_is_too_long_for_the_table_is_shown_whole():
    shown, output = console(terminal=True, width=120)
    shown.print_run("confirm 112 seed 123558", "complete", "0.8 at epoch 2, 1.0 s", LESSON)
    assert "confirm 112 seed 123558" in output.getvalue()
