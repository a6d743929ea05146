"""How a session ends, without training."""

import pytest
from rich.console import Console as RichConsole

from harness.cli.console import Console
from harness.core.defaults import MatmulBackend
from harness.core.errors import Stopped
from harness.core.paths import DEFAULT_SPACE
from harness.data.choice import DataChoice
from harness.data.dataset import record_of
from harness.engines.choice import EngineOptions
from harness.storage.locks import Lock
from harness.studies.request import FinalsPlan, SearchRequest
from harness.studies.session import SearchSession
from harness.studies.space import read_space
from harness.studies.study import Study
from harness.studies.trial import StudyDefaults
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
        storage, 2, None, FinalsPlan(3, 3, 5), False,
    )  # fmt: skip
    writer = ExperimentWriter(store, "search/digits", record_of(digits), "cpu")
    recorder = Recorder(Idle(), writer, Console(RichConsole(quiet=True)))
    study = Study(storage, "s", read_space(DEFAULT_SPACE), 420, {})
    defaults = StudyDefaults(420, "digits", "float32")
    made = SearchSession(study, recorder, digits, defaults, request, Lock(lambda: None, "file"))
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
