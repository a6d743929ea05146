from dataclasses import replace

import pytest
import torch
from support.engine_jobs import job

from harness.engines.stacking import stacks, update_costs
from harness.engines.work_items import Measure
from harness.training.stacked.mlp import StackedMLP


def seeds(name, count, **changes):
    return [job(f"{name}{seed}", seed=seed, **changes) for seed in range(count)]


def names(made):
    return [[job.name for job in together] for together, _stacked in made]


def planned(jobs, digits, seconds, workers, longest_first=False):
    return names(stacks(jobs, digits, seconds, workers, longest_first))


def steady(_config):
    """A stack makes an update cheaper, up to four runs."""
    return {1: 1.0, 2: 0.7, 4: 0.5}


def wide(_config):
    return {1: 1.0, 8: 0.5}


def useless(_config):
    return {1: 1.0}


def test_jobs_of_one_shape_share_stacks_of_equal_width_no_wider_than_is_cheapest(digits):
    jobs = seeds("a", 5, batch_size=32) + seeds("b", 5, batch_size=64)
    made = stacks(jobs, digits, steady, workers=1, longest_first=False)
    assert names(made) == [["a0", "a1"], ["a2", "a3", "a4"], ["b0", "b1"], ["b2", "b3", "b4"]]
    assert all(stacked for _together, stacked in made)
    assert planned(jobs, digits, useless, workers=1) == [[job.name] for job in jobs]


def test_stacks_come_in_the_order_of_their_first_jobs(digits):
    jobs = [job("a1"), job("b1", batch_size=64), job("a2", seed=2), job("b2", batch_size=64, seed=2)]
    assert planned(jobs, digits, steady, workers=1) == [["a1", "a2"], ["b1", "b2"]]


def test_the_longest_stack_comes_first_where_that_is_asked_for(digits):
    """Each run of "a" makes twice the updates of one of "b", but there are three times as many of those."""
    jobs = seeds("a", 2, epochs=2) + seeds("b", 6, batch_size=64, epochs=1)
    assert planned(jobs, digits, wide, workers=1) == [["a0", "a1"], [f"b{seed}" for seed in range(6)]]
    assert planned(jobs, digits, wide, workers=1, longest_first=True)[0] == [f"b{seed}" for seed in range(6)]


def test_nothing_is_measured_where_no_two_jobs_have_one_shape(digits):
    jobs, measured = [job("a"), job("b", batch_size=64)], []
    assert planned(jobs, digits, measured.append, workers=2, longest_first=True) == [["a"], ["b"]]
    assert not measured


def test_a_stack_is_halved_where_that_ends_earlier(digits):
    """Ten updates of four runs take 10 · 4 · 0.5 = 20 in one stack; in two of two, side by side, 10 · 2 · 0.7 = 14."""
    assert planned(seeds("a", 4), digits, steady, workers=2) == [["a0", "a1"], ["a2", "a3"]]
    assert planned(seeds("a", 4), digits, steady, workers=8) == [["a0"], ["a1"], ["a2"], ["a3"]]
    assert planned(seeds("a", 4), digits, steady, workers=1) == [["a0", "a1", "a2", "a3"]]


def test_a_stack_stays_whole_beside_other_work_that_lasts_as_long(digits):
    jobs = seeds("long", 1, batch_size=64, epochs=20) + seeds("a", 4)
    assert planned(jobs, digits, steady, workers=2) == [["long0"], ["a0", "a1", "a2", "a3"]]


def test_what_has_no_shape_watches_the_test_set_or_needs_gradients_is_kept_apart(digits):
    toys = [job("toy 1", dataset="two-basins"), job("toy 2", dataset="two-basins")]
    others = [
        replace(job("b"), watch_test=True),
        replace(job("c"), probes=("path",)),
        replace(job("d"), probes=("loss",)),
    ]
    made = stacks([*toys, job("a"), *others], digits, steady, workers=1, longest_first=False)
    assert names(made) == [["toy 1"], ["toy 2"], ["a", "d"], ["b"], ["c"]]
    assert [stacked for _together, stacked in made] == [False, False, True, True, True]


def test_costs_are_of_widths_that_double_up_to_the_cheapest(digits):
    measured = update_costs(Measure(job("x", batch_size=32).config, "default"), digits, "cpu")
    assert list(measured) == [1, 2, 4, 8, 16][: len(measured)]
    assert min(measured, key=measured.get) == list(measured)[-1]


@pytest.mark.parametrize(("size", "widest"), [(512, 2), (1_251, 1)])
def test_large_batches_are_not_stacked_beyond_what_pays(digits, size, widest):
    assert max(update_costs(Measure(job("x", batch_size=size).config, "default"), digits, "cpu")) <= widest


def test_small_batches_are_worth_a_stack(digits):
    """They pay for Python and dispatch once instead of four times: this is why there are stacks at all."""
    assert max(update_costs(Measure(job("x", batch_size=1, batch_norm=True).config, "default"), digits, "cpu")) >= 4


def test_costs_are_measured_with_the_products_that_the_runs_will_have(digits, monkeypatch):
    used = set()
    update = StackedMLP.update

    def noted(stack, batch, step):
        used.add(torch.get_float32_matmul_precision())
        return update(stack, batch, step)

    monkeypatch.setattr(StackedMLP, "update", noted)
    update_costs(Measure(job("x", batch_size=32).config, "onednn"), digits, "cpu")
    assert used == {"medium"}
