"""Links that land on a study in MLflow's UI, and whether MLflow's page still reads the format of their views."""

import base64
import json
import zlib
from pathlib import Path

import mlflow.server
import pytest
from mlflow import MlflowClient

from harness.core.metrics import DatasetRecord
from harness.tracking.views import TAG, _view, newest_studies, study_links
from harness.tracking.writer import ExperimentWriter

DATA = DatasetRecord("digits", "ab" * 32, "", "", "digits 8×8", "digits")
SERVER = "http://127.0.0.1:5000"


@pytest.fixture
def studies(store):
    """Two finished studies without a view, the second one newer."""
    writer = ExperimentWriter(store, "search/digits", DATA, "cpu")
    for name in ("older", "newer"):
        writer.close_parent(writer.open_parent(name, "study", {}), "complete")
    return store


def views(store):
    (experiment,) = MlflowClient(store).search_experiments(filter_string="name = 'search/digits'")
    return {name: tag for name, tag in experiment.tags.items() if name.startswith(TAG)}


def test_a_study_has_links_to_its_trials_as_table_and_as_charts(studies):
    (_, newer), (experiment, older) = newest_studies(studies, 5)
    assert (newer.name, older.name) == ("newer", "older")
    links = study_links(f"{SERVER}/", experiment, older)
    key = f"harness-{older.id[:12]}"
    view = f"?workflowType=machine_learning&viewStateShareKey={key}"
    assert links.table == f"{SERVER}/#/experiments/{experiment}/runs{view}"
    assert links.charts == f"{links.table}&compareRunsMode=CHART"
    saved = json.loads(zlib.decompress(base64.b64decode(views(studies)[TAG + key].removeprefix("deflate;"))))
    assert saved["searchFilter"] == f"tags.`harness.kind` = 'trial' and tags.`mlflow.parentRunId` = '{older.id}'"
    assert (saved["orderByKey"], saved["orderByAsc"]) == ("metrics.`val_accuracy`", False)
    assert saved["selectedColumns"] == [
        "metrics.`val_accuracy`", "params.`lr`", "params.`gamma`", "params.`batch_size`", "params.`epochs`",
        "params.`batch_norm`", "tags.`harness.state`",
    ]  # fmt: skip
    MlflowClient(studies).search_runs([experiment], saved["searchFilter"])  # it can be parsed


def test_views_are_those_of_the_newest_and_one_of_an_earlier_version_is_replaced(studies):
    newest_studies(studies, 1)
    ((name, view),) = views(studies).items()
    MlflowClient(studies).set_experiment_tag("1", name, "deflate;of an earlier version")
    newest_studies(studies, 5)
    assert len(views(studies)) == 2 and views(studies)[name] == view


def test_the_page_of_mlflow_reads_views_of_this_format():
    """If this fails with a new MLflow, look at its runs page through a link of `harness.ui` before you change it."""
    scripts = Path(mlflow.server.__file__).parent / "js" / "build" / "static" / "js"
    page = "".join(path.read_text(encoding="utf-8") for path in scripts.glob("*.js"))
    names = [TAG, "deflate;", "viewStateShareKey", "machine_learning", "workflowType", "compareRunsMode", "SHOW_ALL"]
    view = _view("0" * 32, ["lr", "gamma", "hidden"])
    names += [*view, *(name for chart in view["compareRunCharts"] for name in chart), *view["compareRunSections"][0]]
    assert [name for name in names if name not in page] == []
