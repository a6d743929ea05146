import math

import pytest

from harness.core.metrics import Reading
from harness.tracking.digest import RunRecord, is_as_recorded, is_history_as_recorded
from harness.tracking.schema import DIGEST, HISTORIES, OWNER, UID

TAGS = {"harness.kind": "trial", "harness.state": "complete", "mlflow.user": "me", OWNER: "host 1 1.0"}
HISTORY = {1: 0.1 + 0.2, 2: math.nan, 3: math.inf}


@pytest.fixture
def recorded():
    """Params, last values and tags as a reader finds them."""
    record = RunRecord(TAGS)
    record.add([Reading("loss", step, value) for step, value in HISTORY.items()], {"lr": "0.1"})
    record.add([Reading("test", 0, 1)], tags={"harness.note": "late"})
    tags = TAGS | {"harness.note": "late"} | record.tags()
    return {"lr": "0.1"}, {"loss": 1.7976931348623157e308, "test": 1.0}, tags  # infinity as MLflow keeps it


def test_what_is_read_back_as_it_was_written_agrees(recorded):
    assert is_as_recorded(*recorded)
    assert is_history_as_recorded(recorded[2], "loss", HISTORY | {3: 1.7976931348623157e308})
    assert is_history_as_recorded(recorded[2], "other", {})


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (0, {"lr": "0.2"}),
        (0, {"gamma": "0"}),
        (1, {"test": math.nextafter(1.0, 2)}),
        (1, {"new": 1.0}),
        (2, {"harness.state": "diverged"}),
        (2, {HISTORIES: "{}"}),
        (2, {DIGEST: "0" * 16}),
    ],
)
def test_any_change_is_found(recorded, part, change):
    parts = list(recorded)
    parts[part] = parts[part] | change
    assert not is_as_recorded(*parts)


def test_what_people_and_mlflow_add_is_not_covered(recorded):
    params, last, tags = recorded
    assert is_as_recorded(params, last, tags | {OWNER: "other", UID: "uid-1", "mlflow.note.content": "x", "mine": "y"})


@pytest.mark.parametrize("values", [{}, {1: 0.3}, {1: 0.3, 2: 0.0, 3: math.inf}, HISTORY | {4: 0.0}])
def test_a_history_that_changed_is_found(recorded, values):
    assert not is_history_as_recorded(recorded[2], "loss", values)


def test_a_metric_that_was_added_is_found(recorded):
    assert not is_history_as_recorded(recorded[2], "new", {0: 1.0})


def test_a_run_from_before_digests_is_let_through(recorded):
    _, last, tags = recorded
    older = {name: value for name, value in tags.items() if name not in (DIGEST, HISTORIES)}
    assert is_as_recorded({}, last, older) and is_history_as_recorded(older, "loss", {})
