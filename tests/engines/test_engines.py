"""What every engine does, on each of them."""

import re

import pytest
import torch
from support.engine_jobs import always, epochs_of, job, machine_backend, numbers, results, trained_in_a_stack

from harness.core.network import read_network
from harness.engines.base import Epoch, Finished, Started, WorkerLost
from harness.training.loop import evaluate, train
from harness.training.model import initial_model


@pytest.fixture
def engine(engines):
    with engines.engine() as engine:
        yield engine


def test_a_job_gives_the_numbers_of_training_it_here_whatever_shares_its_stack(engine, digits, monkeypatch):
    monkeypatch.setattr(engine._planner, "_seconds", lambda _config: {1: 1.0, 2: 0.5})
    jobs = [job(f"{name} {seed}", seed=seed, batch_norm=name == "b") for name in "ab" for seed in range(4)]
    events = list(engine.execute(jobs, always))
    assert {event.stack for event in events if isinstance(event, Started)} == {2}  # two stacks for each of two workers
    for each in jobs:
        assert numbers(epochs_of(events, each.name)) == numbers(trained_in_a_stack(each.config, digits))
        kinds = [type(event) for event in events if event.job.name == each.name]
        assert kinds == [Started, Epoch, Epoch, Epoch, Finished]
        assert results(events)[each.name].state == "complete"


def test_a_network_of_ones_own_is_trained_from_its_text_beside_stacks(engine, digits, tmp_path):
    """Its file is gone: workers, and nodes of a cluster, have the text alone."""
    file = tmp_path / "own.py"
    file.write_text(
        "from torch import nn\n\n\ndef net(shape, classes, dropout=0.0):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, classes))\n"
    )
    network = read_network("own.py:net", tmp_path)
    file.unlink()
    own = [job(f"own {seed}", seed=seed, network=network, **{"network_params.dropout": 0.5}) for seed in range(3)]
    events = list(engine.execute([*own, job("lesson's")], always))
    for each in own:
        assert numbers(epochs_of(events, each.name)) == numbers(train(each.config, digits))
    assert {event.job.name: event.stack for event in events if isinstance(event, Started)} == {
        "own 0": 0, "own 1": 0, "own 2": 0, "lesson's": 1,
    }  # fmt: skip


def test_without_stacks_each_job_is_trained_by_train(engines, digits):
    jobs = [job("a"), job("b", seed=1)]
    with engines.engine(workers=1, stacks=False) as engine:
        events = list(engine.execute(jobs, always))
    assert [event.stack for event in events if isinstance(event, Started)] == [0, 0]
    for each in jobs:
        assert numbers(epochs_of(events, each.name)) == numbers(train(each.config, digits))


def test_stopping_is_asked_after_each_epoch_and_a_whole_run_is_complete(engine):
    def proceed(job, metrics):
        return (job.name, metrics.epoch) not in {("early", 2), ("late", 3)}

    events = list(engine.execute([job("early"), job("late")], proceed))
    assert len(epochs_of(events, "early")) == 2
    assert {name: result.state for name, result in results(events).items()} == {"early": "stopped", "late": "complete"}


def test_where_nothing_is_asked_all_train_to_their_end(engine):
    events = list(engine.execute([job("a"), job("b", batch_size=64)], None))
    assert [len(epochs_of(events, name)) for name in "ab"] == [3, 3]
    assert {result.state for result in results(events).values()} == {"complete"}


def test_a_run_that_fails_says_why_and_takes_no_other_with_it(engine):
    """Too large a batch, more memory than there is while it is measured, and while it trains."""
    jobs = [
        job("batch", batch_size=5_000), job("one", hidden=10**12), job("two", hidden=10**12), job("vast", hidden=2**40),
        job("good"), job("narrow", hidden=16),
    ]  # fmt: skip
    ended = results(list(engine.execute(jobs, always)))
    assert {name: ended.pop(name).state for name in ("good", "narrow")} == {"good": "complete", "narrow": "complete"}
    assert {result.state for result in ended.values()} == {"failed"}
    assert ended["batch"].note.startswith(
        "ValueError: batch_size is 5000: it should be at most the 1251 training images of digits"
    )
    assert "loop.py, line" in ended["batch"].note
    assert "RuntimeError" in ended["one"].note and "RuntimeError" in ended["two"].note
    assert "memory" in ended["vast"].note


def test_a_diverged_run_says_where(engine):
    events = list(engine.execute([job("wild", lr=1e30)], always))
    result = results(events)["wild"]
    assert result.state == "diverged"
    assert "in epoch 1, update" in result.note
    assert epochs_of(events, "wild") == []


def test_a_final_job_is_tested_and_hands_its_weights_back(engine, digits):
    final = job("final", final=True, split="lesson")
    events = list(engine.execute([final, job("not final")], always))
    result = results(events)["final"]
    model = initial_model(final.config, digits)
    model.load_state_dict({name: torch.tensor(array) for name, array in result.weights.items()})
    assert result.test == evaluate(model, digits.test_inputs, digits.test_labels)
    assert results(events)["not final"].test is None


def test_nothing_to_do_is_nothing(engine):
    assert list(engine.execute([], always)) == []


def test_a_killed_worker_is_replaced_and_its_job_starts_again(engines, engine, digits):
    killed = []

    def kill_once(job, metrics):
        if not killed and metrics.epoch == 2:
            killed.append(engines.busy(engine)[0])
            killed[0].kill()
        return True

    events = list(engine.execute([job("a"), job("b", seed=1)], kill_once))
    (lost,) = [event for event in events if isinstance(event, WorkerLost)]
    assert re.fullmatch(f"{engines.lost(killed[0])} in attempt 1 of 3", lost.note)
    after = events[events.index(lost) :]
    assert Started(lost.job, 2, stack=1, matmul_backend=machine_backend()) in after
    assert numbers(epochs_of(after, lost.job.name)) == numbers(trained_in_a_stack(lost.job.config, digits))
    assert {result.state for result in results(events).values()} == {"complete"}


@pytest.mark.parametrize("engines", ["local", pytest.param("ray", marks=pytest.mark.slow)], indirect=True)
def test_a_stack_that_dies_goes_on_run_by_run_so_that_a_deadly_one_takes_no_other_with_it(engines, digits, monkeypatch):
    """One worker, so that what is busy is what trains the deadly one."""
    with engines.engine(workers=1) as engine:
        monkeypatch.setattr(engine._planner, "_seconds", lambda _config: {1: 1.0, 2: 0.5})

        def kill(job, metrics):
            if job.name == "deadly":
                for worker in engines.busy(engine):
                    worker.kill()
            return True

        jobs = [job("deadly"), *(job(f"well {seed}", seed=seed) for seed in range(3))]
        events = list(engine.execute(jobs, kill))
    ended = results(events)
    assert [name for name, result in ended.items() if result.state == "failed"] == ["deadly"]
    assert ended["deadly"].note.endswith("in attempt 3 of 3")
    assert [event.attempt for event in events if isinstance(event, Started) and event.job.name == "deadly"] == [1, 2, 3]
    lost = {event.job.name for event in events if isinstance(event, WorkerLost)}
    assert len(lost) == 2  # it and the one that shared its stack
    retry = {event.job.name: event.stack for event in events if isinstance(event, Started) and event.attempt > 1}
    assert retry == dict.fromkeys(lost, 1)
    for each in jobs[1:]:
        attempts = [Started(each, 1, 2, machine_backend()), Started(each, 2, 1, machine_backend())]
        last = max(position for position, event in enumerate(events) if event in attempts)
        assert numbers(epochs_of(events[last:], each.name)) == numbers(trained_in_a_stack(each.config, digits))


@pytest.mark.parametrize(
    ("proceed", "epochs", "most"), [(always, 1_000, 3), (None, 100_000, 99_999)], ids=["asked", "not asked"]
)
def test_draining_stops_what_runs_and_starts_nothing_more(engines, proceed, epochs, most):
    """A worker that is not asked may be ahead of what is read; it stops after the epoch in which it is told."""
    with engines.engine(workers=1) as engine:
        events = []
        for event in engine.execute([job("runs", epochs=epochs), job("never starts", batch_size=64)], proceed):
            events.append(event)
            if isinstance(event, Epoch):
                engine.drain()
        assert {name: result.state for name, result in results(events).items()} == {"runs": "stopped"}
        assert len(epochs_of(events, "runs")) <= most
