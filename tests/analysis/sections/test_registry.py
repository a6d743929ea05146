import pytest
from support.claim_store import record, tiny

from analysis.reports.claims import judge_claim
from analysis.sections import momentum
from analysis.sections.registry import OWN_SECTIONS
from harness.claims.file import find_claim, read_claim


@pytest.mark.parametrize("name", OWN_SECTIONS)
def test_the_lessons_claims_have_what_their_own_figures_need(name):
    claim = read_claim(find_claim(name))
    module = __import__(f"analysis.sections.{name}", fromlist=["ARMS"])
    assert set(module.ARMS) <= claim.arms.keys()
    assert set(module.ESTIMANDS) <= {estimand.name for estimand in claim.estimands}


def test_a_claim_whose_file_was_changed_is_judged_without_its_own_figures(store):
    """Somebody took arms out of momentum.toml: that is their right, and no reason for a crash."""
    changed = tiny()._replace(name="momentum")
    record(store, changed)
    judged = judge_claim(changed, store)
    assert judged.verdicts[0].label == "reproduced"
    assert "its file does not contain equal_lr, lr 0.01, momentum 0.9" in judged.section.notes[-1]
    assert judged.section.pictures, "those of any claim"
    assert set(momentum.ARMS) - changed.arms.keys()
