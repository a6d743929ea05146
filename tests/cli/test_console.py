import io

import pytest
from rich.console import Console as RichConsole

from harness.cli.console import Console, format_params


def console(terminal):
    output = io.StringIO()
    rich = RichConsole(
        file=output, force_terminal=terminal, width=200, highlight=False, soft_wrap=True, color_system=None
    )
    return Console(rich), output


def test_params_are_shown_shortly_and_switches_in_words():
    params = {"lr": 0.0167777, "gamma": 0.0, "batch_size": 128, "batch_norm": True}
    assert format_params(params) == "lr 0.01678 · gamma 0 · batch_size 128 · batch_norm on"


def test_without_a_terminal_there_are_plain_lines_and_no_display():
    shown, output = console(terminal=False)
    with shown:
        shown.set_progress(1, 30)
        shown.count_epoch()
        shown.show_best(0.9, {"lr": 0.1})
        shown.print_run("trial 3", "pruned", "0.8000 at epoch 2, 1.0 s", {"lr": 0.1})
        shown.warn("look [here]")
    assert output.getvalue() == (
        "trial 3              pruned      0.8000 at epoch 2, 1.0 s           lr 0.1\nwarning: look [here]\n"
    )


def test_a_terminal_shows_progress_rate_and_best():
    shown, output = console(terminal=True)
    with shown:
        shown.set_progress(7, 30)
        shown.count_epoch()
        shown.show_best(0.8912, {"lr": 0.1})
    text = output.getvalue()
    assert "7/30" in text
    assert "epochs/s" in text
    assert "best 0.8912: lr 0.1" in text


def test_facts_stand_in_two_columns():
    shown, output = console(terminal=False)
    shown.print_fields({"a": "1", "longer": "[2]"})
    assert output.getvalue() == "a       1\nlonger  [2]\n"


@pytest.mark.parametrize("state", ["complete", "pruned", "diverged", "failed", "interrupted"])
def test_every_state_has_a_style(state):
    shown, output = console(terminal=False)
    shown.print_run("trial 0", state, "", {})
    assert state in output.getvalue()
