"""Real worker processes, really killed."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest
import torch
from support.paths import PROJECT

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.choice import DataChoice
from harness.data.dataset import Dataset
from harness.engines.base import Epoch, Finished, Job, Started, WorkerLost
from harness.engines.local import LocalEngine
from harness.engines.pool import Pool
from harness.training.loop import evaluate, train
from harness.training.model import initial_model
from harness.training.stacked.loop import StackedTrainer
from harness.training.stacked.matmul import use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend


def job(name, final=False, **changes):
    fields = LESSON | {"epochs": 3, "seed": 420, "dataset": "digits", "split": "search"} | changes
    return Job(name, make_config(**fields), final)


def numbers(epochs):
    return [epoch._replace(seconds=0, samples_per_second=0) for epoch in epochs]


def epochs_of(events, name):
    return [event.metrics for event in events if isinstance(event, Epoch) and event.job.name == name]


def results(events):
    return {event.job.name: event.result for event in events if isinstance(event, Finished)}


def stacked_alone(config, digits):
    """The run's records when it is the only one of its stack."""
    with use_matmul_backend(choose_matmul_backend()):
        return [records[0] for records in StackedTrainer([config], digits, [initial_model(config, digits)]).epochs()]


def worker_of(engine, job):
    return next(worker for worker in engine._pool if job in worker.open.values())


@pytest.fixture(scope="module")
def engine(digits):
    with closing(LocalEngine(digits, Pool(2), "cpu", choose_matmul_backend())) as engine:
        yield engine


def always(job, metrics):
    return True


def test_a_job_gives_the_numbers_of_training_it_here_whatever_shares_its_stack(engine, digits, monkeypatch):
    monkeypatch.setattr(engine._planner, "_seconds", lambda _config: {1: 1.0, 2: 0.5})
    jobs = [job(f"{name} {seed}", seed=seed, batch_norm=name == "b") for name in "ab" for seed in range(4)]
    events = list(engine.execute(jobs, always))
    assert {event.stack for event in events if isinstance(event, Started)} == {2}  # two stacks for each of two workers
    for each in jobs:
        assert numbers(epochs_of(events, each.name)) == numbers(stacked_alone(each.config, digits))
        kinds = [type(event) for event in events if event.job.name == each.name]
        assert kinds == [Started, Epoch, Epoch, Epoch, Finished]
        assert results(events)[each.name].state == "complete"


def test_all_workers_measure_what_updates_of_a_shape_cost_once(engine):
    engine.start_workers()
    config = job("a", batch_size=8, batch_norm=True).config
    costs = engine._planner._seconds(config)
    assert list(costs) == [1, 2, 4, 8, 16][: len(costs)]
    assert min(costs.values()) > 0
    assert engine._planner._seconds(job("b", batch_size=8, lr=1.0, seed=3).config) is costs


def test_a_worker_that_dies_while_it_measures_is_replaced(digits):
    with closing(LocalEngine(digits, Pool(2), "cpu", choose_matmul_backend())) as engine:
        engine._pool.start()
        pids = [worker.process.pid for worker in engine._pool]
        os.kill(pids[0], signal.SIGSTOP)  # so that it is alive when it is asked, and never answers
        threading.Timer(1.0, os.kill, (pids[0], signal.SIGKILL)).start()
        jobs = [job(str(seed), seed=seed) for seed in range(4)]
        assert {result.state for result in results(list(engine.execute(jobs, always))).values()} == {"complete"}
        assert engine._pool[0].process.pid != pids[0]


def test_a_run_that_cannot_even_be_measured_fails_and_no_other(engine):
    jobs = [job(name, hidden=10**12) for name in "ab"] + [job("well")]
    ended = results(list(engine.execute(jobs, always)))
    assert {name: result.state for name, result in ended.items()} == {"a": "failed", "b": "failed", "well": "complete"}
    assert "RuntimeError" in ended["a"].note


@pytest.mark.slow
def test_without_stacks_each_job_is_trained_by_train(digits):
    jobs = [job("a"), job("b", seed=1)]
    with closing(LocalEngine(digits, Pool(1), "cpu", None)) as engine:
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


def test_a_diverged_run_says_where(engine):
    events = list(engine.execute([job("wild", lr=1e30)], always))
    result = results(events)["wild"]
    assert result.state == "diverged"
    assert "in epoch 1, update" in result.note
    assert epochs_of(events, "wild") == []


def test_a_run_that_raises_fails_alone_and_says_why(engine):
    events = list(engine.execute([job("bad", batch_size=5_000), job("good")], always))
    bad, good = results(events)["bad"], results(events)["good"]
    assert (bad.state, good.state) == ("failed", "complete")
    assert bad.note.startswith(
        "ValueError: batch_size is 5000: it should be at most the 1251 training images of digits"
    )
    assert "loop.py, line" in bad.note


def test_a_final_job_is_tested_and_hands_its_weights_back(engine, digits):
    from harness.training.model import initial_model

    final = job("final", final=True, split="lesson")
    result = results(engine.execute([final], always))["final"]
    model = initial_model(final.config, digits)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in result.weights.items()})
    assert result.test == evaluate(model, digits.test_inputs, digits.test_labels)
    assert results(engine.execute([job("not final")], always))["not final"].test is None


def test_a_pool_is_started_before_torch_is_imported():
    program = "import sys, harness.engines.pool; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0


def test_nothing_to_do_starts_no_worker(digits):
    idle = LocalEngine(digits, Pool(2), "cpu", choose_matmul_backend())
    assert list(idle.execute([], always)) == []
    assert list(idle._pool) == []


def test_a_killed_worker_is_replaced_and_its_job_starts_again(engine, digits):
    killed = []

    def kill_once(job, metrics):
        if not killed and metrics.epoch == 2:
            worker = worker_of(engine, job)
            killed.append(worker.process.pid)
            os.kill(worker.process.pid, signal.SIGKILL)
        return True

    events = list(engine.execute([job("a"), job("b", seed=1)], kill_once))
    (lost,) = [event for event in events if isinstance(event, WorkerLost)]
    assert lost.note == f"worker {killed[0]} was killed by SIGKILL in attempt 1 of 3"
    after = events[events.index(lost) :]
    assert Started(lost.job, 2, stack=1, matmul_backend=choose_matmul_backend()) in after
    assert numbers(epochs_of(after, lost.job.name)) == numbers(stacked_alone(lost.job.config, digits))
    assert {result.state for result in results(events).values()} == {"complete"}


@pytest.mark.slow
def test_a_stack_that_dies_goes_on_run_by_run_so_that_a_deadly_one_takes_no_other_with_it(engine, digits, monkeypatch):
    monkeypatch.setattr(engine._planner, "_seconds", lambda _config: {1: 1.0, 2: 0.5})

    def kill(job, metrics):
        if job.name == "deadly":
            os.kill(worker_of(engine, job).process.pid, signal.SIGKILL)
        return True

    jobs = [job("deadly"), *(job(f"well {seed}", seed=seed) for seed in range(7))]
    events = list(engine.execute(jobs, kill))
    ended = results(events)
    assert [name for name, result in ended.items() if result.state == "failed"] == ["deadly"]
    lost = {event.job.name for event in events if isinstance(event, WorkerLost)}
    assert len(lost) == 2  # it and the one that shared its stack
    retry = {event.job.name: event.stack for event in events if isinstance(event, Started) and event.attempt > 1}
    assert retry == dict.fromkeys(lost, 1)
    for each in jobs[1:]:
        attempts = [Started(each, 1, 2, choose_matmul_backend()), Started(each, 2, 1, choose_matmul_backend())]
        last = max(position for position, event in enumerate(events) if event in attempts)
        assert numbers(epochs_of(events[last:], each.name)) == numbers(stacked_alone(each.config, digits))


def test_where_nothing_is_asked_no_worker_waits_for_whoever_reads(engine, digits):
    """Both runs are over before the second event is read."""
    events = engine.execute([job("a"), job("b", batch_size=64)], None)
    started = [next(events), next(events)]
    for worker in engine._pool:
        while worker.process.is_alive() and not (worker.pipe.poll() and _is_idle(worker.process.pid)):
            pass
    rest = list(events)
    assert [type(event) for event in started] == [Started, Started]
    assert sum(isinstance(event, Epoch) for event in rest) == 6
    assert {result.state for result in results(rest).values()} == {"complete"}


def _is_idle(pid):
    """Whether a process uses no processor time, in a tenth of a second."""
    return psutil.Process(pid).cpu_percent(interval=0.1) == 0.0


def test_a_run_that_needs_more_memory_than_there_is_fails_alone(engine):
    jobs = [job("vast", hidden=2**40), job("b"), job("c", hidden=16)]
    ended = results(list(engine.execute(jobs, always)))
    assert {name: result.state for name, result in ended.items()} == {
        "vast": "failed",
        "b": "complete",
        "c": "complete",
    }
    assert "memory" in ended["vast"].note


@pytest.mark.slow
def test_a_dead_forkserver_costs_what_its_workers_were_at(digits):
    def kill_once(job, metrics):
        if not killed and metrics.epoch == 2:
            killed.append(forkserver._forkserver._forkserver_pid)
            os.kill(killed[0], signal.SIGKILL)
            os.kill(worker_of(engine, job).process.pid, signal.SIGKILL)
        return True

    killed = []
    with closing(LocalEngine(digits, Pool(2), "cpu", choose_matmul_backend())) as engine:
        events = list(engine.execute([job("a"), job("b", seed=1)], kill_once))
    assert killed
    assert {result.state for result in results(events).values()} == {"complete"}
    assert any(isinstance(event, WorkerLost) for event in events)


@pytest.mark.slow
def test_a_job_that_kills_every_worker_fails_after_three_attempts(engine):
    def kill(job, metrics):
        os.kill(worker_of(engine, job).process.pid, signal.SIGKILL)
        return True

    events = list(engine.execute([job("deadly")], kill))
    assert [event.attempt for event in events if isinstance(event, Started)] == [1, 2, 3]
    assert results(events)["deadly"].state == "failed"
    assert "in attempt 3 of 3" in results(events)["deadly"].note


def test_an_idle_worker_that_died_is_replaced_before_its_next_job(engine):
    engine.start_workers()
    victim = engine._pool[0].process
    victim.kill()
    victim.join()
    events = list(engine.execute([job("a"), job("b")], always))
    assert {result.state for result in results(events).values()} == {"complete"}
    assert not [event for event in events if isinstance(event, WorkerLost)]


@pytest.mark.parametrize(
    ("proceed", "epochs", "most"), [(always, 1_000, 3), (None, 100_000, 99_999)], ids=["asked", "not asked"]
)
def test_draining_stops_what_runs_and_starts_nothing_more(digits, proceed, epochs, most):
    """A worker that is not asked may be ahead of what is read; it stops after the epoch in which it is told."""
    with closing(LocalEngine(digits, Pool(1), "cpu", choose_matmul_backend())) as engine:
        events = []
        for event in engine.execute([job("runs", epochs=epochs), job("never starts", batch_size=64)], proceed):
            events.append(event)
            if isinstance(event, Epoch):
                engine.drain()
        assert {name: result.state for name, result in results(events).items()} == {"runs": "stopped"}
        assert len(epochs_of(events, "runs")) <= most


@pytest.mark.slow
def test_a_million_rows_are_not_copied_to_every_worker():
    """A worker's own memory (USS), in mid-run, on a table of 240 MB and on one of a few rows."""

    def own_memory(rows):
        generator = torch.Generator().manual_seed(0)
        inputs, labels = torch.rand(rows, 60, generator=generator), torch.randint(2, (rows,), generator=generator)
        table = Dataset(
            name="table", train_inputs=inputs, train_labels=labels, test_inputs=inputs[:100], test_labels=labels[:100],
            max_level=None, classes=("no", "yes"), source="", choice=DataChoice("digits"),
        )  # fmt: skip
        used = []

        def proceed(job, metrics):
            used.extend(psutil.Process(worker.process.pid).memory_full_info().uss for worker in engine._pool)
            return True

        with closing(LocalEngine(table, Pool(2), "cpu", choose_matmul_backend())) as engine:
            jobs = [job(name, epochs=1, batch_size=100, dataset="table", lr=0.01) for name in ("a", "b")]
            assert {result.state for result in results(engine.execute(jobs, proceed)).values()} == {"complete"}
        return max(used)

    assert own_memory(1_000_000) - own_memory(1_000) < 150e6


@pytest.mark.slow
def test_workers_die_with_their_coordinator():
    code = """
import sys, time
from harness.core.config import make_config
from harness.data.choice import DataChoice
from harness.data.load import load
from harness.core.defaults import LESSON
from harness.engines.base import Epoch, Job
from harness.engines.local import LocalEngine
from harness.engines.pool import Pool
from harness.training.model import initial_model
from harness.training.stacked.matmul_backend import choose_matmul_backend
if __name__ == "__main__":
    engine = LocalEngine(load(DataChoice("digits")), Pool(2), "cpu", choose_matmul_backend())
    config = make_config(**LESSON | {"epochs": 1_000_000}, seed=1, dataset="digits", split="search")
    events = engine.execute([Job("a", config), Job("b", config)], lambda job, metrics: True)
    while not isinstance(next(events), Epoch):
        pass  # both train once the first epoch is over
    print(*(worker.process.pid for worker in engine._pool), flush=True)
    time.sleep(600)
"""
    Path("coordinator.py").write_text(code)  # spawn wants a main module that is a file
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen([sys.executable, "coordinator.py"], stdout=subprocess.PIPE, env=env) as coordinator:
        assert coordinator.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in coordinator.stdout.readline().split()]
        coordinator.kill()
    gone, alive = psutil.wait_procs(workers, timeout=30)
    assert (len(gone), alive) == (2, [])


def test_what_workers_import_is_imported_before_they_are_forked_and_kept_from_the_garbage_collector():
    """A package that could not be imported there would go unnoticed: every worker would import it again."""
    code = """
import gc, sys, harness.engines.preload
for needed in (
    "torch.multiprocessing", "harness.engines.execution", "harness.engines.stacking", "harness.training.stacked.matmul"
):
    assert needed in sys.modules, needed
assert gc.isenabled()
assert gc.get_freeze_count() > 50_000, gc.get_freeze_count()
"""
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
