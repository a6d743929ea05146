"""A replay loads the data that the tags of a run name, and finds a run by the beginning of its id."""

from itertools import pairwise

import pytest
from mlflow import MlflowClient

from harness.core.config import RunConfig
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.data.choice import DataChoice
from harness.data.dataset import record_of
from harness.data.load import load
from harness.tracking.reader import find_run
from harness.tracking.replay import _load
from harness.tracking.writer import ExperimentWriter


def test_a_table_is_loaded_as_it_was_with_its_ignored_columns(store, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id;a;y\n" + "".join(f"{n};{n % 7};{'cd'[n % 2]}\n" for n in range(60)))
    dataset = load(DataChoice(f"csv:{path}", target="y", ignored=("id",)))
    writer = ExperimentWriter(store, "search/t", record_of(dataset), "cpu")
    parent = writer.open_parent("t", "study", {})
    config = RunConfig(**LESSON, seed=1, dataset=dataset.name, split="search")
    run = writer.read().run(writer.id_of(writer.start_run(parent, "trial 0", "trial", config, {})))
    again = _load(run, None)
    assert (again.sha256, again.columns) == (dataset.sha256, ("a",))
    with pytest.raises(UserError, match="the data are not those of the run"):
        _load(run._replace(tags={name: tag for name, tag in run.tags.items() if name != "harness.ignored"}), None)


def test_the_beginning_of_an_id_is_enough_if_no_other_run_begins_so(store):
    client = MlflowClient(store)
    ids = sorted(client.create_run("0").info.run_id for _ in range(17))  # two begin with the same digit
    twice = next(one[0] for one, other in pairwise(ids) if one[0] == other[0])
    found = [find_run(store, ids[0][:length])[1].id for length in (8, 16, 32)]
    assert found == [ids[0]] * 3 and find_run(store, ids[0][:8].upper())[1].id == ids[0]
    with pytest.raises(UserError, match=rf"\d+ runs begin with '{twice}' \({twice}\w+, .*\): give more of the id"):
        find_run(store, twice)
    for nothing in ("zzzz", "%", "' or 1"):
        with pytest.raises(UserError, match="there is no run"):
            find_run(store, nothing)


def test_a_run_of_a_deleted_experiment_is_told_how_to_come_back(store):
    client = MlflowClient(store)
    experiment = client.create_experiment("search/gone")
    run = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    with pytest.raises(UserError, match="the experiment 'search/gone' was deleted in MLflow; restore it with"):
        find_run(store, run)
