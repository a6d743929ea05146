"""Records on their way to a real MLflow server, which fails for a while, or whose writer is really killed."""

import json
import logging
import os
import subprocess
import sys
import threading
import time

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from support.paths import PROJECT

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import Stopped, UserError
from harness.core.metrics import DatasetRecord, EpochMetrics
from harness.tracking import retry
from harness.tracking.delivery import RunDeletedError, mergeable, merged
from harness.tracking.model import log_model
from harness.tracking.operations import Operation
from harness.tracking.reader import ExperimentReader
from harness.tracking.spool_file import recover
from harness.tracking.writer import ExperimentWriter
from harness.training.model import Classifier, initial_model

CONFIG = make_config(**LESSON, seed=1, dataset="digits", split="search")
DATA = DatasetRecord("digits", "0" * 64, "", "", "", "digits")
EPOCHS = [EpochMetrics(number, 1 / number, 0.5, 0.7, 0.8, 0.1, 1e4, 10) for number in (1, 2, 3)]
# Writes a run and some epochs, says so, and waits to be killed.
WRITE = """
import sys, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tracking"]
from test_spool import CONFIG, DATA, EPOCHS
from harness.tracking.writer import ExperimentWriter

tracking = ExperimentWriter(sys.argv[2], "search/digits", DATA, "cpu")
print("ready", flush=True)
sys.stdin.readline()
run = tracking.start_run(sys.argv[3], "of the dead", "trial", CONFIG, {})
for epoch in EPOCHS:
    tracking.log_epoch(run, epoch)
print("kept", flush=True)
time.sleep(60)
"""


def history(tracking, run_id, metric):
    reader = tracking.read()
    return reader.history(reader.run(run_id), metric)


@pytest.fixture
def tracking(proxy):
    return ExperimentWriter(proxy.address, "search/digits", DATA, "cpu")


def spools(folder):
    return list(folder.glob(".mlflow-*.spool"))


def write(tracking, parent, name):
    run = tracking.start_run(parent, name, "trial", CONFIG, {})
    for epoch in EPOCHS:
        tracking.log_epoch(run, epoch)
        time.sleep(0.1)
    tracking.end_run(run, "complete")
    tracking.log_texts(run, {"note.txt": name})
    return run


def points(records, run_id):
    return [
        (point.step, point.value, point.timestamp)
        for point in MlflowClient(records.uri).get_metric_history(run_id, "train_loss")
    ]


@pytest.mark.slow
def test_what_is_written_while_the_server_fails_comes_there_once_with_its_own_times(proxy, tracking, caplog, tmp_path):
    parent = tracking.open_parent("away", "study", {})
    proxy.state = "failing"
    begun = time.time() * 1e3
    with caplog.at_level(logging.WARNING, logger="harness"):
        runs = [write(tracking, parent, name) for name in ("first", "second")]
        ended = time.time() * 1e3
        assert ended - begun < 2_000, "nothing waited"
        time.sleep(3)
        (file,) = spools(tmp_path)
        assert file.stat().st_size > 0
        proxy.state = "open"
        tracking.close(wait=True)
    assert spools(tmp_path) == [] and list(tmp_path.glob(".mlflow-*")) == []
    waiting, back = (record.getMessage() for record in caplog.records if record.name == "harness")
    assert f"training goes on, records are kept in {file.name}" in waiting
    assert back.startswith("MLflow's store answers again, after ")
    children = tracking.read().children(parent)
    assert [child.id for child in children] == [tracking.id_of(run) for run in runs]
    for child in children:
        steps, values, times = zip(*points(tracking, child.id), strict=True)
        assert (steps, values) == ((1, 2, 3), (1.0, 0.5, pytest.approx(1 / 3)))
        assert begun - 1 <= min(times) < max(times) <= ended
        info = MlflowClient(tracking.uri).get_run(child.id).info
        assert begun - 1 <= info.start_time <= min(times) and max(times) <= info.end_time <= ended
        assert info.status == "FINISHED"
        assert [file.path for file in MlflowClient(tracking.uri).list_artifacts(child.id)] == ["note.txt"]


@pytest.mark.slow
def test_what_a_killed_process_had_not_handed_over_is_handed_over_by_the_next_one(proxy, tmp_path):
    tracking = ExperimentWriter(proxy.address, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("killed", "study", {})
    arguments = [sys.executable, "-c", WRITE, PROJECT / "tests", proxy.address, parent]
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        proxy.state = "failing"
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "kept\n"
        (file,) = [path for path in spools(tmp_path) if path.name != tracking._spool._file.path.name]
        with recover(file) as records:
            assert records == [], "while it lives they are its own"
        assert file.exists()
        writer.kill()
    with file.open("a") as torn:
        torn.write('["uid-1", "log_ba')
    proxy.state = "open"
    ExperimentWriter(proxy.address, "search/digits", DATA, "cpu")
    assert not file.exists()
    (child,) = tracking.read().children(parent)
    assert child.name == "of the dead"
    assert [step for step, _, _ in points(tracking, child.id)] == [1, 2, 3]


@pytest.mark.slow
def test_a_file_that_was_left_goes_when_all_is_handed_over_after_all(proxy, tracking, tmp_path):
    parent = tracking.open_parent("left and sent", "study", {})
    proxy.state = "failing"
    write(tracking, parent, "a")
    tracking.close(wait=False)
    assert spools(tmp_path)
    proxy.state = "open"
    deadline = time.monotonic() + 20
    while list(tmp_path.glob(".mlflow-*")):
        assert time.monotonic() < deadline, "the file stays although all was sent"
        time.sleep(0.1)
    write(tracking, parent, "b")
    assert [child.name for child in tracking.read().children(parent)] == ["a", "b"]


def test_who_does_not_wait_leaves_a_file_and_says_so(proxy, tracking, caplog, tmp_path):
    parent = tracking.open_parent("left", "study", {})
    proxy.state = "failing"
    write(tracking, parent, "a")
    with caplog.at_level(logging.WARNING, logger="harness"):
        tracking.close(wait=False)
    assert f"records are kept in {spools(tmp_path)[0].name}; recorded data is safe" in caplog.text
    proxy.state = "open"
    tracking.close(wait=True)
    assert [child.name for child in tracking.read().children(parent)] == ["a"]


@pytest.mark.slow
def test_who_waited_long_enough_stops(proxy, tracking, monkeypatch):
    parent = tracking.open_parent("stopped", "study", {})
    monkeypatch.setattr(retry, "SECONDS", 3.0)
    proxy.state = "failing"
    tracking.log_metrics(parent, {"x": 1.0})
    with pytest.raises(Stopped, match=r"does not answer \(.*\); 1 records are kept in .*\.spool; recorded data is"):
        tracking.close(wait=True)
    proxy.state = "open"
    tracking.close(wait=True)
    assert history(tracking, parent, "x") == {0: 1.0}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")  # MLflow's, of its own functions
def test_a_model_waits_for_the_server(proxy, tracking, digits):
    parent = tracking.open_parent("model", "study", {})
    run = tracking.start_run(parent, "winner", "winner", CONFIG, {})
    tracking.id_of(run)
    proxy.state = "failing"
    threading.Timer(5.0, setattr, (proxy, "state", "open")).start()
    example = digits.test_inputs[:2].numpy()
    log_model(tracking, run, "digits-420", Classifier(initial_model(CONFIG, digits)), example, {})
    (winner,) = tracking.read().children(parent)
    assert winner.tags["harness.model"].startswith("models:/m-")


def test_the_record_of_a_deleted_run_is_told_once_and_left_out_and_those_of_others_go_on(store, tmp_path):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("refused", "study", {})
    with pytest.raises(Stopped, match=r"run f{32} is not in MLflow any more: it was deleted"):  # one of these calls
        tracking.log_metrics("f" * 32, {"x": 1.0})
        tracking.log_metrics(parent, {"y": 2.0})
        tracking.close(wait=True)
    tracking.end_run(parent, "interrupted")
    tracking.close(wait=True)
    assert history(tracking, parent, "y") == {0: 2.0}
    assert tracking.parent("refused", "study").status == "KILLED"
    assert spools(tmp_path) == []


def test_a_run_ends_although_another_one_was_deleted_and_each_deleted_one_is_told_once(store):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("refused", "study", {})
    run = tracking.start_run(parent, "trial 1", "trial", CONFIG, {})
    tracking.close(wait=True)
    tracking.log_metrics("f" * 32, {"x": 1.0})
    while tracking._spool._waiting:
        time.sleep(0.01)
    with pytest.raises(RunDeletedError):
        tracking.end_run(run, "interrupted")
    tracking.log_metrics("f" * 32, {"x": 2.0})
    tracking.close(wait=True)
    assert [child.status for child in tracking.read().children(parent)] == ["KILLED"]


def test_records_of_a_deleted_run_that_a_dead_process_left_are_counted_and_left_out(store, tmp_path, caplog):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("refused", "study", {})
    tracking.close(wait=True)
    batch = {"metrics": [], "params": [], "tags": [["t", "1"]]}
    path = tracking._spool._file.path
    path.write_text("".join(json.dumps([run, "log_batch", batch]) + "\n" for run in ("f" * 32, "f" * 32, parent)))
    again = ExperimentWriter(store, "search/digits", DATA, "cpu")
    assert again.parent("refused", "study").tags["t"] == "1"
    assert "2 of them are left out: run ffff" in caplog.text
    assert spools(tmp_path) == []


def test_an_experiment_that_was_deleted_takes_its_records_with_it_and_is_named_by_the_next_command(store, tmp_path):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("deleted", "study", {})
    experiment = tracking.read().experiment_id
    MlflowClient(store).delete_experiment(experiment)
    with pytest.raises(Stopped, match="is not in MLflow any more: it was deleted"):  # one of these calls
        tracking.start_run(parent, "trial 1", "trial", CONFIG, {})
        tracking.close(wait=True)
    tracking.close(wait=False)
    assert spools(tmp_path) == []
    with pytest.raises(UserError, match=rf"'search/digits' was deleted in MLflow; .* --experiment-id {experiment}$"):
        ExperimentWriter(store, "search/digits", DATA, "cpu")
    ExperimentWriter(store, "search/wine", DATA, "cpu").open_parent("another", "study", {})


def test_a_parent_is_known_by_its_own_name_and_one_that_was_deleted_is_named(store):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("study", "study", {})
    MlflowClient(store).update_run(parent, name="my best search")
    assert tracking.parent("study", "study").id == tracking.open_parent("study", "study", {}) == parent
    tracking.close(wait=True)
    MlflowClient(store).delete_run(parent)
    with pytest.raises(UserError, match=rf"the run of study 'study' was deleted in MLflow; .* --run-id {parent}, or"):
        tracking.open_parent("study", "study", {})
    MlflowClient(store).restore_run(parent)
    assert tracking.open_parent("study", "study", {}) == parent


def test_what_mlflow_refuses_for_another_reason_stays_in_its_file(store, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise MlflowException("403: not yours")

    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("refused", "study", {})
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", refuse)
        tracking.log_metrics(parent, {"x": 1.0})
        with pytest.raises(
            Stopped, match=r"refuses a record \(403: not yours\); 1 records are kept in \.?.*\.spool; recorded"
        ):
            tracking.close(wait=True)
        with pytest.raises(Stopped, match="refuses a record"):  # each time, as long as it is not handed over
            tracking.read()
        (file,) = spools(tmp_path)
        tracking._spool._file._lock.release()
        with pytest.raises(Stopped, match=rf"the records in .*{file.name} are refused by MLflow \(403: not yours\)"):
            ExperimentWriter(store, "search/digits", DATA, "cpu")
    assert file.exists()
    assert history(ExperimentWriter(store, "search/digits", DATA, "cpu"), parent, "x") == {0: 1.0}
    assert not file.exists()


HOSTILE = [
    ("uid-1", "log_bytes", {"name": "/etc/cron.d/job", "content": ""}),
    ("uid-1", "log_bytes", {"name": "../../page.html", "content": ""}),
    ("uid-1", "log_bytes", {"name": "..", "content": ""}),
    ("uid-1", "delete_run", {}),
    ("uid-1", "_client", {}),
    ("uid-1", "set_status", {"status": "GONE", "end_time": 0}),
    ("uid-1", "log_batch", {"metrics": [["x"]], "params": [], "tags": []}),
    ("uid-1", "log_batch", {"metrics": [], "params": [], "tags": [], "more": []}),
    ("uid-1", "create_run", {"run_name": "a"}),
]


@pytest.mark.parametrize(
    "line", [bytes(100), b'["uid-1"]', b'{"run": 1}', b"\xff", *(json.dumps(one).encode() for one in HOSTILE)]
)
def test_a_file_that_holds_something_else_is_named(store, tmp_path, line):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    path = tracking._spool._file.path
    path.write_bytes(line + b"\n")
    with pytest.raises(Stopped, match=rf"{path.name}, line 1 is not a record; move that file away"):
        ExperimentWriter(store, "search/digits", DATA, "cpu")
    assert path.read_bytes() == line + b"\n"


def test_a_file_of_somebody_else_is_not_read(store, tmp_path):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    path = tracking._spool._file.path
    (tmp_path / "elsewhere").write_bytes(b"")
    path.symlink_to("elsewhere")
    with pytest.raises(Stopped, match=rf"{path.name} is a link, no file, or belongs to another user; move it away"):
        ExperimentWriter(store, "search/digits", DATA, "cpu")
    path.unlink()
    path.write_bytes(b"")
    if os.getuid() == 0:
        os.chown(path, 1234, 1234)
        with pytest.raises(Stopped, match="belongs to another user"):
            ExperimentWriter(store, "search/digits", DATA, "cpu")


def test_no_more_is_merged_than_mlflow_takes_in_one_call():
    def batch(metrics, tags=0):
        some = {"metrics": [("m", 1.0, 0, n) for n in range(metrics)], "params": [], "tags": [("t", "")] * tags}
        return Operation("uid-1", "log_batch", some)

    assert len(mergeable([batch(999), batch(0, tags=1), batch(1)])) == 2
    assert len(mergeable([batch(1_000), batch(0, tags=1)])) == 1
    assert len(mergeable([batch(1, tags=60), batch(1, tags=60)])) == 1
    assert len(mergeable([batch(1), Operation("uid-1", "set_status", {}), batch(1)])) == 1
    assert merged([batch(2), batch(3, tags=1)]).arguments == batch(5, tags=1).arguments | {
        "metrics": batch(2).arguments["metrics"] + batch(3).arguments["metrics"]
    }


def test_a_tag_that_names_a_deleted_run_is_left_out(store, caplog):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("named", "study", {})
    first = tracking.id_of(tracking.start_run(parent, "a", "trial", CONFIG, {}))
    uid = MlflowClient(tracking.uri).get_run(first).data.tags["harness.uid"]
    MlflowClient(tracking.uri).delete_run(first)
    later = ExperimentWriter(store, "search/digits", DATA, "cpu")
    later.start_run(parent, "b", "trial", CONFIG, {}, {"same": uid})
    later.close(wait=True)
    (run,) = later.read().children(parent)
    assert run.name == "b" and "same" not in run.tags
    assert f"same is left out: run {uid} is not in MLflow any more" in caplog.text


def test_a_tag_that_names_another_run_names_it_by_its_id(store):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    parent = tracking.open_parent("named", "study", {})
    first = tracking.start_run(parent, "a", "trial", CONFIG, {})
    tracking.close(wait=True)
    later = ExperimentWriter(store, "search/digits", DATA, "cpu")
    copy = later.start_run(parent, "b", "trial", CONFIG, {}, {"same": first})
    later.close(wait=True)
    runs = {run.name: run for run in ExperimentReader(store, "search/digits").children(parent)}
    assert runs["b"].tags["same"] == runs["a"].id == tracking.id_of(first)
    assert runs["b"].id == later.id_of(copy)


def test_spooled_records_are_this_users_alone(store, tmp_path):
    tracking = ExperimentWriter(store, "search/digits", DATA, "cpu")
    tracking.open_parent("private", "study", {})
    (file,) = spools(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
