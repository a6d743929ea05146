import pytest
from mlflow import MlflowClient

from harness.core.errors import Terminated
from harness.tracking.reports import log_report
from harness.tracking.schema import OWNER


def status(store, run):
    return MlflowClient(store).get_run(run).info.status


def test_a_report_is_finished_and_one_that_was_cut_off_is_not(store, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("page")
    whole = log_report(store, "report", tmp_path, [tmp_path / "report.html"], {})
    assert status(store, whole) == "FINISHED"
    assert [item.path for item in MlflowClient(store).list_artifacts(whole)] == ["report.html"]

    def cut_off(*_):
        raise Terminated

    monkeypatch.setattr(MlflowClient, "log_artifact", cut_off)
    with pytest.raises(Terminated):
        log_report(store, "report", tmp_path, [tmp_path / "report.html"], {})
    newest = MlflowClient(store).search_runs(["1"], order_by=["attributes.start_time DESC"])[0]
    assert newest.info.run_id != whole and newest.info.status == "KILLED"


def test_a_report_whose_process_was_killed_is_closed_by_the_next(store, tmp_path):
    first = log_report(store, "report", tmp_path, [], {})
    client = MlflowClient(store)
    host, pid, start = client.get_run(first).data.tags[OWNER].split(" ")
    for owner, after in ((f"{host} {pid} {start}", "RUNNING"), (f"{host} {pid} 1.00", "KILLED")):
        client.update_run(first, status="RUNNING")
        client.set_tag(first, OWNER, owner)
        log_report(store, "report", tmp_path, [], {})
        assert status(store, first) == after
