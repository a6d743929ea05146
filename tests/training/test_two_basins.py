import pytest

from harness.core.config import make_config
from harness.engines.base import Job
from harness.engines.execution import execute
from harness.training import two_basins
from harness.training.two_basins import TWO_BASINS, descend, loss


def run(**changes):
    fields = {"lr": 0.1, "gamma": 0.0, "batch_size": 64, "epochs": 2_000, "updates": 2_000, "seed": 1}
    return make_config(**fields | {"batch_norm": False, "dataset": TWO_BASINS, "split": "lesson"} | changes)


def test_it_has_the_two_minima_and_the_barrier_that_it_states():
    def slope(w):
        return (loss(w + 1e-6) - loss(w - 1e-6)) / 2e-6

    for extreme in (-1.068, 0.9148, 0.1545):
        assert slope(extreme) == pytest.approx(0, abs=5e-3)
    assert loss(-1.068) < loss(0.9148) < loss(0.1545)


def test_the_forces_of_all_examples_cancel():
    assert sum(two_basins._FORCES) == pytest.approx(0, abs=1e-9)


def test_the_full_batch_stays_in_the_basin_where_it_starts():
    record = descend(run())
    assert record.steps == 2_000
    assert [reading.value for reading in record.readings] == [0.0, pytest.approx(0.9148, abs=1e-3)]


def test_one_step_by_hand(monkeypatch):
    """From w = 1 by one full-batch step: 1 − 0.1 · (1 − 1 + 0.15) = 0.985; with γ = 0.5 the next adds half of it."""
    monkeypatch.setattr(two_basins, "_START", (1.0, 1.0))
    assert descend(run(updates=1)).readings[1].value == pytest.approx(0.985)
    w = 0.985
    second = w + 0.5 * -0.015 - 0.1 * (w**3 - w + 0.15)
    assert descend(run(updates=2, gamma=0.5)).readings[1].value == pytest.approx(second)


def test_the_seed_alone_decides_a_run():
    assert descend(run(batch_size=1)).readings == descend(run(batch_size=1)).readings
    assert descend(run(batch_size=1)).readings != descend(run(batch_size=1, seed=2)).readings


def test_an_engine_runs_it_as_any_other_job(digits):
    epochs = []
    ending = execute(
        Job("toy", run(batch_size=1)), digits, "cpu", lambda metrics: epochs.append(metrics) or True, stacked=False
    )
    assert ending.state == "complete"
    assert [reading.name for reading in epochs[0].readings] == ["global_basin", "position"]


def test_a_run_that_is_thrown_out_has_diverged(digits):
    ending = execute(Job("toy", run(lr=50.0)), digits, "cpu", lambda metrics: True, stacked=False)
    assert ending.state == "diverged" and "after update" in ending.note
