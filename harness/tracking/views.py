"""Links into MLflow's UI that land on a study: its trials as a table with the columns that matter, or as charts.

MLflow keeps a shared view of its page of runs in a tag of the experiment, as deflated JSON, and opens it by the tag's
name. That format is not documented: it is that of `ExperimentPageUIState` in MLflow's page (3.17), and
tests/tracking/test_views.py looks for its fields there.
"""

import base64
import json
import logging
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow.exceptions import MlflowException

from harness.tracking.reader import TrackedRun, parents_anywhere
from harness.tracking.retry import RetryingClient
from harness.tracking.schema import KIND, PARENT_RUN_ID, SEARCHED, STATE

_log = logging.getLogger("harness")
TAG = "mlflow.sharedViewState."
_DEFLATED = "deflate;"
_SORTED_BY = "val_accuracy"
_USUAL = "lr gamma batch_size epochs batch_norm"  # of studies of an earlier version
_PIXELS = 105  # of a column
_SECTION = "trials"
_KEY_DIGITS = 12
_SECTION_OF_TRIALS = {
    "uuid": _SECTION,
    "name": "Trials",
    "display": True,
    "isReordered": False,
    "deleted": False,
    "isGenerated": False,
    "columns": 2,
    "cardHeight": 360,
}
_PARALLEL = {
    "type": "PARALLEL",
    "selectedMetrics": [_SORTED_BY],
    "showAllRuns": True,
}


class StudyLinks(NamedTuple):
    """Addresses of a study's trials in MLflow's UI, as a table and as charts."""

    study: str
    table: str
    charts: str


def save_view(client: RetryingClient, experiment_id: str, study: TrackedRun) -> None:
    """Save the view of a study's trials as a tag of its experiment, if it is not there yet.

    Without it a link leads to the experiment, so that MLflow's refusal is a warning.
    """
    key = f"{TAG}{_key(study.id)}"
    searched = study.tags.get(SEARCHED, _USUAL).split()
    packed = zlib.compress(json.dumps(_view(study.id, searched)).encode())
    value = _DEFLATED + base64.b64encode(packed).decode()
    try:
        if client.call(lambda plain: plain.get_experiment(experiment_id)).tags.get(key) != value:
            client.call(lambda plain: plain.set_experiment_tag(experiment_id, key, value))
    except MlflowException as error:
        _log.warning("MLflow keeps no view of the study: %s", " ".join(str(error).split())[:200])


def study_links(server: str, experiment_id: str, study: TrackedRun) -> StudyLinks:
    """The links to a study whose view was saved, on the MLflow server at this address."""
    view = f"?workflowType=machine_learning&viewStateShareKey={_key(study.id)}"
    runs = f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs{view}"
    return StudyLinks(study.name, runs, f"{runs}&compareRunsMode=CHART")


def newest_studies(uri: str, count: int) -> list[tuple[str, TrackedRun]]:
    """The newest studies at `uri`, each with the id of its experiment, once their views are saved."""
    client = RetryingClient(uri)
    found = []
    for experiment, study in parents_anywhere(uri, "study")[:count]:
        experiment_id = client.call(lambda plain, name=experiment: plain.get_experiment_by_name(name)).experiment_id  # type: ignore[misc]
        save_view(client, experiment_id, study)
        found.append((experiment_id, study))
    return found


def _key(parent_id: str) -> str:
    return f"harness-{parent_id[:_KEY_DIGITS]}"


def _view(parent_id: str, searched: Sequence[str]) -> dict[str, Any]:
    params = [f"params.`{name}`" for name in searched]
    columns = [f"metrics.`{_SORTED_BY}`", *params, f"tags.`{STATE}`"]
    return {
        "searchFilter": f"tags.`{KIND}` = 'trial' and tags.`{PARENT_RUN_ID}` = '{parent_id}'",
        "orderByKey": f"metrics.`{_SORTED_BY}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": [],
        "columnWidths": dict.fromkeys(columns, _PIXELS),
        "runsExpanded": {parent_id: True},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "isAccordionReordered": True,  # else MLflow sorts the sections by name
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "compareRunCharts": _charts(searched),
        "compareRunSections": [_SECTION_OF_TRIALS],
    }


def _charts(searched: Sequence[str]) -> list[dict[str, Any]]:
    parallel = _PARALLEL | {"selectedParams": list(searched)}
    scatters = [_scatter(name) for name in searched if name in ("lr", "gamma")]
    charts = [_line("val_accuracy"), _line("train_loss"), parallel, *scatters]
    common = {"deleted": False, "isGenerated": False, "metricSectionId": _SECTION, "runsCountToCompare": 100}
    return [{"uuid": f"{_SECTION}-{number}", **common, **chart} for number, chart in enumerate(charts)]


def _line(metric: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "lineSmoothness": 0,
        "selectedXAxisMetricKey": "",
        "useGlobalXaxisKey": True,
        "range": {},
    }


def _scatter(param: str) -> dict[str, Any]:
    return {"type": "SCATTER", "xaxis": {"key": param, "type": "PARAM"}, "yaxis": {"key": _SORTED_BY, "type": "METRIC"}}
