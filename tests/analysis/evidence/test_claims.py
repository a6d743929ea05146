import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient
from support.claim_store import record, rows, tiny

from analysis.evidence.claims import claim_evidence, exact_checks
from harness.core.errors import UserError
from harness.reference.exact_checks import exact_checks as check_exactly
from harness.tracking.reader import ExperimentReader
from harness.tracking.reports import log_exact
from harness.tracking.schema import ARM, CLAIM_SHA256, CONFIG_HASH, DATASET_SHA256, DIGEST, QUICK


def evidence(store, claim=None):
    return claim_evidence(
        ExperimentReader(store, "claims/tiny", "python -m harness.replicate tiny.toml"), claim or tiny()
    )


def run_id(store, name, kind="arm"):
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("claims/tiny").experiment_id
    (run,) = client.search_runs([experiment], f"attributes.run_name = '{name}' and tags.`harness.kind` = '{kind}'")
    return run.info.run_id


def test_whole_evidence_is_a_tidy_frame(recorded):
    found = evidence(recorded)
    assert found.source.dataset == "digits" and len(found.source.commits) == 1
    assert found.chosen == {"tuned": 0.2}
    assert list(found.runs["arm"]) == ["plain"] * 4 + ["norm"] * 4 + ["tuned"] * 4
    assert list(found.runs["seed"]) == [1, 2, 3, 4] * 3
    assert found.runs["state"].tolist()[-1] == "diverged"
    assert found.curve(found.runs["run_id"][0], "train_accuracy").to_dict() == {1: 0.75, 2: 0.8}
    assert found.curves(["plain"], "train_accuracy").query("seed == 3")["value"].tolist() == [0.74, 0.8]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("arm", "plain seed 3", "incomplete: plain seed 3 is missing; run harness.replicate again"),
        ("tuning", "tuned lr 0.1 seed 90", "incomplete: tuned lr 0.1 seed 90 is missing"),
    ],
)
def test_missing_runs_are_refused_by_name(recorded, kind, name, message):
    MlflowClient(recorded).delete_run(run_id(recorded, name, kind))
    with pytest.raises(UserError, match=message):
        evidence(recorded)


def test_an_interrupted_run_counts_as_missing(recorded):
    MlflowClient(recorded).set_tag(run_id(recorded, "norm seed 1"), "harness.state", "interrupted")
    with pytest.raises(UserError, match="incomplete: norm seed 1 is missing"):
        evidence(recorded)


def test_doubled_runs_are_refused_by_name(recorded):
    record(recorded, lines=rows()[2:3])
    with pytest.raises(UserError, match="holds plain seed 1 2 times: its records were altered"):
        evidence(recorded)


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        (CLAIM_SHA256, "0" * 64, "norm seed 2.* under another text of the claim: 00000000"),
        (QUICK, "true", "norm seed 2.*quick and full runs are mixed"),
        (DATASET_SHA256, "cd" * 32, "norm seed 2.* with other data than its replication"),
        (CONFIG_HASH, "0123", "norm seed 2.*params are not those that it was run with"),
        (ARM, "plain", "norm seed 2 is missing"),
    ],
)
def test_runs_of_another_kind_are_refused_by_name(recorded, tag, value, message):
    """As they are recorded without a digest, by earlier code."""
    client, run = MlflowClient(recorded), run_id(recorded, "norm seed 2")
    client.set_tag(run, tag, value)
    client.delete_tag(run, DIGEST)
    with pytest.raises(UserError, match=message):
        evidence(recorded)


# Each changes one run of one arm in the database, behind MLflow's back.
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE latest_metrics SET value = 0.99 WHERE key = 'train_accuracy'", "its params, metrics or tags are not"),
        ("UPDATE metrics SET value = 0.99 WHERE key = 'train_accuracy'", "its values of train_accuracy are not those"),
        ("DELETE FROM metrics WHERE key = 'train_accuracy' AND step = 1", "its values of train_accuracy are not those"),
        ("DELETE FROM metrics WHERE key = 'train_accuracy'", "its values of train_accuracy are not those"),
        ("UPDATE params SET value = '0.3' WHERE key = 'lr'", "its params, metrics or tags are not those"),
        ("DELETE FROM params WHERE key = 'gamma'", "its params, metrics or tags are not those"),
        ("UPDATE tags SET value = 'diverged' WHERE key = 'harness.state'", "its params, metrics or tags are not those"),
        ("UPDATE tags SET value = 'plain' WHERE key = 'harness.arm'", "its params, metrics or tags are not those"),
        ("DELETE FROM latest_metrics WHERE key = 'train_accuracy'", "its params, metrics or tags are not those"),
    ],
)
def test_a_record_that_was_changed_is_refused_by_name(recorded, change, told):
    run = run_id(recorded, "norm seed 2")
    with closing(sqlite3.connect(recorded.removeprefix("sqlite:///"))) as database, database:
        where = "run_uuid = ?" if "WHERE" not in change else "AND run_uuid = ?"
        assert database.execute(f"{change} {where}", [run]).rowcount >= 1
    with pytest.raises(UserError, match=rf"run {run} \(norm seed 2\): {told}"):
        evidence(recorded).curve(run, "train_accuracy")


def test_what_may_change_after_a_run_is_not_covered(recorded):
    client, run = MlflowClient(recorded), run_id(recorded, "norm seed 2")
    client.update_run(run, name="my favourite")
    client.set_tag(run, "mlflow.note.content", "a remark")
    client.set_tag(run, "owner", "me")
    assert evidence(recorded).before_digests == 0
    client.delete_tag(run, DIGEST)
    assert evidence(recorded).before_digests == 1


def test_runs_outside_of_the_design_are_refused_by_name(recorded):
    fewer = tiny()
    del fewer.arms["norm"]
    with pytest.raises(UserError, match=r"norm seed 1\) does not belong to its design"):
        evidence(recorded, fewer)


def test_another_text_of_the_claim_has_no_evidence(recorded):
    other = tiny()._replace(sha256="f" * 64)
    with pytest.raises(UserError, match=r"under another text of the claim \([0-9a-f]{8}, now ffffffff\)"):
        evidence(recorded, other)


def test_a_replication_that_has_not_ended_is_refused(store):
    record(store, lines=[], end_run=False)
    with pytest.raises(UserError, match=r"has not ended \(RUNNING\)"):
        evidence(store)


def test_quick_evidence_is_no_full_evidence(recorded):
    with pytest.raises(UserError, match=r"or run: .*python -m harness.replicate .*tiny.toml --quick"):
        evidence(recorded, tiny().quickened())


def test_a_quick_replication_that_is_there_is_named_where_there_is_no_full_one_and_the_reverse(recorded, store):
    record(store, claim=tiny().quickened(), lines=[])
    with pytest.raises(UserError, match="no full replication; there is a quick one: add --quick to judge that, or run"):
        evidence(store)
    with pytest.raises(UserError, match="no quick replication; there is a full one: leave out --quick to judge that"):
        evidence(recorded, tiny().quickened())


def test_a_second_replication_of_the_same_text_is_refused(recorded):
    client = MlflowClient(recorded)
    first = client.get_run(evidence(recorded).source.parent_id)
    tags = {name: value for name, value in first.data.tags.items() if name.startswith("harness")}
    client.create_run(first.info.experiment_id, run_name=first.info.run_name, tags=tags)
    with pytest.raises(UserError, match="has 2 replications"):
        evidence(recorded)


def test_an_altered_choice_of_lr_is_refused(recorded):
    MlflowClient(recorded).set_tag(evidence(recorded).source.parent_id, "harness.tuned_lr.tuned", "0.1")
    with pytest.raises(UserError, match=r"recorded as 0.1, but its tuning runs choose 0.2"):
        evidence(recorded)


def test_a_value_that_was_added_later_is_refused(recorded):
    run = run_id(recorded, "norm seed 2")
    MlflowClient(recorded).log_metric(run, "train_accuracy", 0.99, step=1)
    with pytest.raises(UserError, match=f"run {run} has two values of train_accuracy at step 1"):
        evidence(recorded).curve(run, "train_accuracy")


def test_no_experiment_says_which_command_to_run(store):
    with pytest.raises(UserError, match=r"no 'claims/tiny' in .*run: python -m harness.replicate tiny.toml "):
        evidence(store)


def test_exact_statements_are_read_back_with_their_bounds(store):
    with pytest.raises(UserError, match=r"no 'claims/exact'"):
        exact_checks(store)
    checks = check_exactly()
    run = log_exact(store, {check.name: (check.statement, check.value, check.bound) for check in checks})
    found_id, found = exact_checks(store)
    assert found_id == run and len(found) == len(checks)
    assert all(holds for _, _, _, holds in found)
    assert {statement for statement, _, _, _ in found} == {check.statement for check in checks}
