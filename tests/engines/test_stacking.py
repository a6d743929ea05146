from dataclasses import replace

from harness.config import make_config
from harness.defaults import LESSON
from harness.engines.base import Job
from harness.engines.stacking import best_width, stacks


def job(name, **changes):
    return Job(name, make_config(**LESSON | {"seed": 420, "dataset": "digits", "split": "search"} | changes))


def names(made):
    return [[job.name for job in together] for together, _stacked in made]


def test_jobs_of_one_shape_share_stacks_of_equal_width(digits):
    jobs = [
        job(f"{name}{seed}", seed=seed, batch_size=size) for name, size in (("a", 32), ("b", 64)) for seed in range(5)
    ]
    made = stacks(jobs, digits, lambda _: 3, workers=1)
    assert names(made) == [["a0", "a1"], ["a2", "a3", "a4"], ["b0", "b1"], ["b2", "b3", "b4"]]
    assert all(stacked for _together, stacked in made)


def test_stacks_come_in_the_order_of_their_first_jobs(digits):
    jobs = [job("a1"), job("b1", batch_size=64), job("a2", seed=2), job("b2", batch_size=64, seed=2)]
    assert names(stacks(jobs, digits, lambda _: 9, workers=1)) == [["a1", "a2"], ["b1", "b2"]]


def test_every_worker_gets_two_stacks_if_there_are_jobs_enough(digits):
    jobs = [job(str(seed), seed=seed) for seed in range(8)]
    assert [len(together) for together in names(stacks(jobs, digits, lambda _: 16, workers=2))] == [2, 2, 2, 2]
    assert [len(together) for together in names(stacks(jobs, digits, lambda _: 16, workers=8))] == [1] * 8


def test_what_has_no_shape_or_another_test_set_watched_is_kept_apart(digits):
    jobs = [
        job("toy 1", dataset="two-basins"),
        job("toy 2", dataset="two-basins"),
        job("a"),
        replace(job("b"), watch_test=True),
    ]
    made = stacks(jobs, digits, lambda _: 9, workers=1)
    assert names(made) == [["toy 1"], ["toy 2"], ["a"], ["b"]]
    assert [stacked for _together, stacked in made] == [False, False, True, True]


def test_the_width_is_measured_and_leaves_the_threads_alone(digits):
    import torch

    threads = torch.get_num_threads()
    assert best_width(job("x", batch_size=1).config, digits, "cpu") in (1, 2, 4, 8, 16)
    assert best_width(job("x", batch_size=1_024).config, digits, "cpu") in (1, 2, 4)
    assert torch.get_num_threads() == threads


def test_a_stack_of_small_batches_is_worth_it(digits):
    """Eight runs of batch 1 pay for Python and dispatch once: this is why there are stacks at all."""
    assert best_width(job("x", batch_size=1, batch_norm=True).config, digits, "cpu") >= 4
