"""The numbers in a study's figures, typed in by hand."""

import pandas as pd

from harness.core.defaults import SEARCHED
from harness.studies import figures
from harness.studies.importances import Importance

# Trial 3 is as good as trial 1 and slower, trial 4 better and slower than 0, trial 2 was pruned.
TRIALS = pd.DataFrame(
    {
        "trial": [0, 1, 2, 3, 4, 5],
        "state": ["complete", "complete", "pruned", "complete", "complete", "diverged"],
        "is_complete": [True, True, False, True, True, False],
        "val_accuracy": [0.5, 0.8, 0.95, 0.8, 0.7, None],
        "seconds": [1.0, 3.0, 0.5, 4.0, 2.0, 0.1],
        "lr": [0.1, 0.01, 0.5, 0.02, 0.002, 0.9],
        "gamma": [0.0, 0.5, 0.5, 0.9, 0.9, 0.9],
        "batch_size": [32, 64, 64, 128, 1024, 32],
        "epochs": [1, 2, 2, 2, 2, 2],
        "batch_norm": ["on", "off", "on", "off", "on", "on"],
    }
)


def test_choices_of_texts_and_numbers_are_drawn():
    mixed = TRIALS.assign(k=([1, 2, "auto"] * len(TRIALS))[: len(TRIALS)], is_complete=True)
    figures.by_parameter(mixed, "k", 0)
    (drawn,) = figures.parallel_coordinates(mixed, ["k"]).data
    assert list(drawn.dimensions[0].ticktext) == ["1", "2", "auto"]


def test_the_pareto_front_holds_what_no_complete_trial_beats_in_both():
    assert figures.front_of(TRIALS, "seconds")["trial"].tolist() == [0, 4, 1]
    *_, line = figures.pareto_front(TRIALS, "seconds").data
    assert (list(line.x), list(line.y)) == ([1.0, 2.0, 3.0], [0.5, 0.7, 0.8])


def test_the_best_so_far_rises_with_complete_trials_and_reaches_the_last_one():
    *points, line = figures.history(TRIALS, TRIALS).data
    assert (list(line.x), list(line.y)) == ([0, 1, 5], [0.5, 0.8, 0.8])
    assert {trace.name: list(trace.text) for trace in points} == {"complete": ["0", "1", "3", "4"], "pruned": ["2"]}


def test_only_the_trials_that_are_shown_are_dots_of_the_history():
    *points, line = figures.history(TRIALS, TRIALS.head(2)).data
    assert [list(trace.text) for trace in points] == [["0", "1"]]
    assert list(line.x) == [0, 1, 5]


def test_the_axes_of_parallel_coordinates_say_what_was_tried():
    (lines,) = figures.parallel_coordinates(TRIALS, SEARCHED).data
    axes = {axis.label: axis for axis in lines.dimensions}
    assert list(axes) == ["lr", "gamma", "batch_size", "epochs", "batch_norm", "validation accuracy"]
    assert list(axes["batch_size"].values) == [5, 6, 7, 10]
    assert list(axes["batch_size"].ticktext) == ["32", "64", "128", "256", "512", "1024"]
    assert list(axes["batch_norm"].values) == [1, 0, 0, 1] and list(axes["batch_norm"].ticktext) == ["off", "on"]
    assert list(axes["lr"].ticktext) == ["0.01", "0.1"]
    assert list(axes["validation accuracy"].values) == [0.5, 0.8, 0.8, 0.7]


def test_an_axis_within_one_decade_names_its_ends():
    (lines,) = figures.parallel_coordinates(TRIALS.assign(lr=[0.2, 0.3, 0.5, 0.4, 0.6, 0.9]), SEARCHED).data
    assert list(lines.dimensions[0].ticktext) == ["0.2", "0.6"]


def test_a_trial_that_did_not_learn_is_complete_or_pruned_as_it_was():
    guesses = TRIALS.assign(state=["did not learn"] * 3 + ["complete"] * 3)
    (lines,) = figures.parallel_coordinates(guesses, SEARCHED).data
    assert len(lines.dimensions[0]["values"]) == 4  # trial 2 was pruned
    assert figures.front_of(guesses, "seconds")["trial"].tolist() == [0, 4, 1]


def test_a_narrow_axis_has_ticks_and_a_long_list_of_sizes_has_few():
    narrow = figures.by_parameter(TRIALS.assign(lr=[0.22, 0.3, 0.4, 0.25, 0.45, 0.3]), "lr", 0)
    assert narrow.layout.xaxis.dtick is None
    assert figures.by_parameter(TRIALS, "lr", 0).layout.xaxis.dtick == "D2"
    assert figures.by_parameter(TRIALS, "batch_size", 0).layout.xaxis.tickvals == (32, 64, 128, 1024)
    many = pd.concat([TRIALS] * 3, ignore_index=True).assign(batch_size=range(18, 36))
    assert figures.by_parameter(many, "batch_size", 0).layout.xaxis.tickvals is None


def test_importances_stand_with_the_largest_on_top_and_their_intervals():
    (bars,) = figures.importance_bars({"lr": Importance(0.75, 0.5, 0.9), "gamma": Importance(0.25, 0.1, 0.5)}).data
    assert (list(bars.y), list(bars.x)) == (["gamma", "lr"], [0.25, 0.75])
    assert [round(value, 2) for value in bars.error_x.array] == [0.25, 0.15]
    assert [round(value, 2) for value in bars.error_x.arrayminus] == [0.15, 0.25]


def test_a_curve_per_trial_and_the_winner_on_top():
    epochs = pd.DataFrame(
        {"trial": [0, 0, 2], "state": ["complete", "complete", "pruned"], "epoch": [1, 2, 1],
         "val_accuracy": [0.4, 0.5, 0.95]}
    )  # fmt: skip
    first, second, best = figures.learning_curves(epochs, best=0).data
    assert (list(first.x), list(first.y), first.name) == ([1, 2, None], [0.4, 0.5, None], "complete")
    assert (list(second.y), list(second.text), second.name) == ([0.95, None], ["2", None], "pruned")
    assert (list(best.y), best.name) == ([0.4, 0.5], "best: trial 0")
