"""What a reader should know before the verdicts."""

import pytest
from mlflow import MlflowClient
from support.claim_store import record, rows, tiny

from analysis.reports.claims import judge_claim
from analysis.sections.across import warnings
from harness.tracking.reader import ExperimentReader
from harness.tracking.schema import DIGEST


@pytest.fixture
def told(recorded):
    """The warnings on the small claim, by its records as they are now."""
    return lambda claim=None: "\n".join(warnings([judge_claim(claim or tiny(), recorded)]))


def test_seeds_too_few_to_be_significant_are_said(told):
    assert "tiny: with 4 seeds p is at least 0.125, so that no verdict can be significant." in told()


def test_runs_that_were_deleted_and_made_again_are_said(told, recorded):
    assert "deleted" not in told()
    reader = ExperimentReader(recorded, "claims/tiny")
    (parent,) = reader.parents("claim")
    run = next(run for run in reader.children(parent.id) if run.name == "plain seed 1")
    MlflowClient(recorded).delete_run(run.id)
    record(
        recorded, lines=[line for line in rows() if (line["kind"], line["arm"], line["seed"]) == ("arm", "plain", "1")]
    )
    assert "tiny: 1 runs were deleted in MLflow and made again." in told()


def test_other_texts_that_were_replicated_are_said(told, recorded):
    reader = ExperimentReader(recorded, "claims/tiny")
    (parent,) = reader.parents("claim")
    tags = {"harness.kind": "claim", "harness.claim_sha256": "ab" * 32, "harness.name": "tiny-abababab"}
    MlflowClient(recorded).create_run(reader.experiment_id, tags=tags)
    assert "tiny: other texts of this claim were replicated here too (abababab)." in told()
    assert parent.id


@pytest.mark.parametrize("is_earlier", [True, False])
def test_seeds_that_an_earlier_text_used_are_said(store, is_earlier):
    """Whoever has seen their results may have written the margin after them."""
    other = tiny()._replace(sha256="ab" * 32)
    for claim in (other, tiny()) if is_earlier else (tiny(), other):
        record(store, claim)
    told = "\n".join(warnings([judge_claim(tiny(), store)]))
    assert ("tiny: an earlier text of this claim was run on the same seeds (1 to 4)" in told) is is_earlier


def test_runs_from_before_digests_are_counted(told, recorded):
    reader = ExperimentReader(recorded, "claims/tiny")
    (parent,) = reader.parents("claim")
    for run in reader.children(parent.id)[:2]:
        MlflowClient(recorded).delete_tag(run.id, DIGEST)
    assert "tiny: 2 runs were recorded before digests, so that a change of their numbers would go unnoticed." in told()
