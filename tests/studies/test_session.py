"""How a session ends, without training."""

import errno

import pytest
from rich.console import Console as RichConsole

from harness.cli.console import Console
from harness.core.defaults import LESSON, MatmulBackend
from harness.core.errors import Stopped
from harness.core.metrics import Reading
from harness.core.paths import DEFAULT_SPACE
from harness.data.choice import DataChoice
from harness.data.dataset import record_of
from harness.engines.base import Finished, Job, JobResult, Started
from harness.engines.choice import EngineOptions
from harness.storage.locks import Lock
from harness.studies.fresh_runs import FreshRun, FreshRuns
from harness.studies.request import FinalsPlan, SearchRequest
from harness.studies.session import SearchSession
from harness.studies.space_file import read_space
from harness.studies.study import Study
from harness.studies.trial import Outcome, StudyDefaults
from harness.tracking.reader import check_digest
from harness.tracking.recorder import Recorder
from harness.tracking.writer import ExperimentWriter


class Idle:
    """An engine that trains nothing."""

    matmul_backend: MatmulBackend = "default"

    def drain(self):
        pass

    def execute(self, jobs, proceed):
        return iter(())


@pytest.fixture
def session(digits, store, tmp_path):
    storage = f"sqlite:///{tmp_path}/optuna.db"
    request = SearchRequest(
        2, "s", 420, EngineOptions("local", 1, "", 0.0, "cpu"), DataChoice("digits"), None, True, "float32", None,
        storage, 2, None, FinalsPlan(3, 3, 5), False, "tpe", "median", None, "",
    )  # fmt: skip
    writer = ExperimentWriter(store, "search/digits", record_of(digits), "cpu")
    recorder = Recorder(Idle(), writer, Console(RichConsole(quiet=True)))
    study = Study(storage, "s", read_space(DEFAULT_SPACE), 420, {})
    defaults = StudyDefaults(420, "digits", "float32")
    made = SearchSession(study, recorder, digits, defaults, request.plan, Lock(lambda: None, "file"))
    made.recorder = recorder
    return made


def test_an_error_after_ctrl_c_is_said_beside_the_stop(session, monkeypatch):
    def run_trials(total, round_size):
        session.recorder.stop()
        raise Stopped("optuna.db cannot be written (No space left on device)", 1)

    monkeypatch.setattr(session._coordinator, "run_trials", run_trials)
    with pytest.raises(
        Stopped, match=r"^stopped with 0 of 2 trials done; .*\(optuna.db cannot be written \(No space left"
    ):
        session.search({})
    assert session.recorder.writer.parent("s", "study").status == "KILLED"


def test_a_stop_alone_is_said_alone(session, monkeypatch):
    monkeypatch.setattr(session._coordinator, "run_trials", lambda total, round_size: session.recorder.stop())
    with pytest.raises(Stopped, match=r"^stopped with 0 of 2 trials done; resume with: [^(]*$"):
        session.search({})


class Instant(Idle):
    """An engine whose runs are complete at once, with a test accuracy of 0.5."""

    def execute(self, jobs, proceed):
        for job in jobs:
            yield Started(job, 1)
            yield Finished(job, JobResult("complete", test=(1.0, 0.5)))


def test_nothing_is_recorded_as_final_once_the_lock_is_lost(digits, store):
    """Another process may test the winner by then: PostgreSQL was restarted, and somebody waited for the lock."""

    def lost():
        raise Stopped("the connection was lost, and with it the lock", 1)

    writer = ExperimentWriter(store, "search/digits", record_of(digits), "cpu")
    recorder = Recorder(Instant(), writer, Console(RichConsole(quiet=True)))
    recorder.open("s", "study", {})
    config = StudyDefaults(420, "digits", "float32").config(LESSON, "lesson", 421)
    wanted = [FreshRun("winner", config, 0)]
    with pytest.raises(Stopped, match="the lock"):
        FreshRuns(recorder, digits, lost).train(wanted, "runs")
    (run,) = writer.read().children(recorder.parent_id)
    assert (run.tags["harness.state"], "test_accuracy" in run.metrics) == ("interrupted", False)
    held = FreshRuns(recorder, digits, lambda: None)
    assert held.train(wanted, "runs") == 0
    assert held.recorded(wanted, recorder.parent_id)[wanted[0]].metrics["test_accuracy"] == 0.5


def test_a_terminal_that_is_closed_while_it_prints_ends_the_search_as_a_stop(session, monkeypatch):
    def run_trials(total, round_size):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(session._coordinator, "run_trials", run_trials)
    with pytest.raises(Stopped, match=r"^stopped with 0 of 2 trials done; .*\(Input/output error\)"):
        session.search({})
    parent = session.recorder.writer.parent("s", "study")
    assert (parent.status, parent.tags["harness.state"]) == ("KILLED", "interrupted")


def test_a_run_whose_last_records_did_not_arrive_ends_with_the_outcome_of_its_trial(session, monkeypatch):
    """A store that fails just as a trial ends: the outcome is in Optuna, and the run was closed as interrupted."""
    (trial,) = session._study.open_round(1, 1)
    writer = session.recorder.writer
    session.recorder.open("s", "study", {})
    run = writer.start_run(session.recorder.parent_id, "trial 0", "trial", config_of(trial), {"harness.trial": "0"})
    writer.log_readings(run, [Reading("train_loss", 1, 0.5), Reading("val_accuracy", 1, 0.8)])
    session._study.record_outcome(trial, Outcome("pruned", "", (0.8,), 1.0, run))
    writer.end_run(run, "interrupted", "stopped during an epoch")
    writer._ended.clear()  # what follows is another process
    monkeypatch.setattr(session._coordinator, "run_trials", lambda total, round_size: session.recorder.stop())
    with pytest.raises(Stopped):
        session.search({})
    (found,) = writer.read().children(session.recorder.parent_id)
    assert (found.tags["harness.state"], found.status, found.metrics["train_loss"]) == ("pruned", "KILLED", 0.5)
    assert found.name == "trial 0"
    check_digest(found)


def config_of(trial):
    return StudyDefaults(420, "digits", "float32").config(trial.params, "search")


def test_an_attempt_counts_whatever_its_run_is_called(session, monkeypatch):
    recorder, writer = session.recorder, session.recorder.writer
    (trial,) = session._study.open_round(1, 1)
    recorder.open("s", "study", {})
    run = writer.start_run(
        recorder.parent_id, "trial 0", "trial", config_of(trial), {"harness.trial": "0", "harness.attempt": "1"}
    )
    writer.end_run(run, "interrupted")
    job = Job("trial 0", config_of(trial))
    monkeypatch.setattr(recorder._engine, "execute", lambda jobs, proceed: iter([Started(job, 1, 0, "")]))
    recorder.reconcile()
    assert list(recorder.run([job], {"trial 0": "trial"}, None, {"trial 0": {"harness.trial": "0"}})) == []
    attempts = {child.tags["harness.attempt"] for child in writer.read().children(recorder.parent_id)}
    assert attempts == {"1", "2"}
