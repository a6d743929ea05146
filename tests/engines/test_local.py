"""What only worker processes of this machine do."""

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
from support.engine_jobs import always, job, machine_backend, results
from support.paths import PROJECT

from harness.data.choice import DataChoice
from harness.data.dataset import Dataset
from harness.engines import local
from harness.engines.base import Epoch, Started, WorkerLost
from harness.engines.local import LocalEngine
from harness.engines.pool import Pool


@pytest.fixture(scope="module")
def engine(local_engines):
    with local_engines.engine() as engine:
        yield engine


def test_all_workers_measure_what_updates_of_a_shape_cost_once(engine):
    engine.start_workers()
    config = job("a", batch_size=8, batch_norm=True).config
    costs = engine._planner._seconds(config)
    assert list(costs) == [1, 2, 4, 8, 16][: len(costs)]
    assert min(costs.values()) > 0
    assert engine._planner._seconds(job("b", batch_size=8, lr=1.0, seed=3).config) is costs


def test_a_worker_that_dies_while_it_measures_is_replaced(local_engines):
    with local_engines.engine() as engine:
        engine._pool.start()
        pids = [worker.process.pid for worker in engine._pool]
        os.kill(pids[0], signal.SIGSTOP)  # so that it is alive when it is asked, and never answers
        threading.Timer(1.0, os.kill, (pids[0], signal.SIGKILL)).start()
        jobs = [job(str(seed), seed=seed) for seed in range(4)]
        assert {result.state for result in results(list(engine.execute(jobs, always))).values()} == {"complete"}
        assert engine._pool[0].process.pid != pids[0]


@pytest.mark.parametrize("asks", [always, None])
def test_a_worker_that_hangs_counts_as_dead(local_engines, monkeypatch, asks):
    """One is stopped while it trains: the run goes on with another worker, also where the others send messages."""
    monkeypatch.setattr(local, "_SECONDS_BETWEEN_LOOKS", 0.1)
    with local_engines.engine() as engine:
        jobs = [job("a", epochs=200), job("b", epochs=200, batch_size=64)]
        stopped, events = None, []
        for event in engine.execute(jobs, asks):
            events.append(event)
            if stopped is None and isinstance(event, Epoch):
                stopped = next(worker.process.pid for worker in engine._pool if event.job in worker.open.values())
                os.kill(stopped, signal.SIGSTOP)
        (lost,) = [event for event in events if isinstance(event, WorkerLost)]
        assert lost.note == f"worker {stopped} answered no more and was killed by SIGKILL in attempt 1 of 3"
        assert {result.state for result in results(events).values()} == {"complete"}


def test_a_worker_that_hangs_does_not_keep_a_search_from_ending(local_engines, monkeypatch):
    monkeypatch.setattr(local, "_SECONDS_BETWEEN_LOOKS", 0.1)
    with local_engines.engine() as engine:
        events = []
        for event in engine.execute([job("a", epochs=10_000)], always):
            events.append(event)
            if isinstance(event, Epoch) and len(events) == 2:
                os.kill(next(worker.process.pid for worker in engine._pool if worker.open), signal.SIGSTOP)
                engine.drain()
        assert results(events)["a"].state == "stopped"


def test_a_pool_is_started_before_torch_is_imported():
    program = "import sys, harness.engines.pool; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0


def test_nothing_to_do_starts_no_worker(local_engines):
    with local_engines.engine() as idle:
        assert list(idle.execute([], always)) == []
        assert list(idle._pool) == []


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


def test_a_dead_forkserver_costs_what_its_workers_were_at(local_engines):
    def kill_once(job, metrics):
        if not killed and metrics.epoch == 2:
            killed.append(forkserver._forkserver._forkserver_pid)
            os.kill(killed[0], signal.SIGKILL)
            local_engines.busy(engine)[0].kill()
        return True

    killed = []
    with local_engines.engine() as engine:
        events = list(engine.execute([job("a"), job("b", seed=1)], kill_once))
    assert killed
    assert {result.state for result in results(events).values()} == {"complete"}
    assert any(isinstance(event, WorkerLost) for event in events)


def test_an_idle_worker_that_died_is_replaced_before_its_next_job(engine):
    engine.start_workers()
    victim = engine._pool[0].process
    victim.kill()
    victim.join()
    events = list(engine.execute([job("a"), job("b")], always))
    assert {result.state for result in results(events).values()} == {"complete"}
    assert not [event for event in events if isinstance(event, WorkerLost)]


@pytest.mark.slow
def test_a_million_rows_are_not_copied_to_every_worker():
    """A worker's own memory (USS), in mid-run, on a table of 480 MB and on one of a few rows.

    A run's own indices and what the allocator keeps of them come to some 50 to 160 MB.
    """

    def own_memory(rows):
        generator = torch.Generator().manual_seed(0)
        inputs, labels = torch.rand(rows, 120, generator=generator), torch.randint(2, (rows,), generator=generator)
        table = Dataset(
            name="table", train_inputs=inputs, train_labels=labels, test_inputs=inputs[:100], test_labels=labels[:100],
            max_level=None, classes=("no", "yes"), source="", choice=DataChoice("digits"),
        )  # fmt: skip
        used = []

        def proceed(job, metrics):
            used.extend(psutil.Process(worker.process.pid).memory_full_info().uss for worker in engine._pool)
            return True

        with closing(LocalEngine(table, Pool(2), "cpu", machine_backend())) as engine:
            jobs = [job(name, epochs=1, batch_size=100, dataset="table", lr=0.01) for name in ("a", "b")]
            assert {result.state for result in results(engine.execute(jobs, proceed)).values()} == {"complete"}
        return max(used)

    assert own_memory(1_000_000) - own_memory(1_000) < 300e6


def test_workers_die_with_their_coordinator():
    code = """
import sys, time
from harness.core.config import make_config
from harness.data.choice import DataChoice
from harness.data.load import load
from harness.core.defaults import LESSON
from harness.engines import local
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


def test_why_a_worker_was_killed_is_kept_until_its_death_is_seen(local_engines, monkeypatch):
    """A killed process does not look silent any more: its pipe has an end, and its processor time changed."""
    monkeypatch.setattr(local, "_SECONDS_BETWEEN_LOOKS", 0.1)
    with local_engines.engine() as engine:
        engine.start_workers()
        worker = engine._pool[0]
        os.kill(worker.process.pid, signal.SIGSTOP)
        while worker.process.is_alive():
            engine._kill_if_silent(worker)
        engine._kill_if_silent(worker)
        assert worker.hung and not worker.is_silent(1)
