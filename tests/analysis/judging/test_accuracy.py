import math
from types import SimpleNamespace

import pandas as pd
import pytest
from support.claim_store import literature

from analysis.judging import accuracy
from analysis.judging.accuracy import accuracy_verdict
from harness.claims.file import find_claim, read_claim


def test_published_results_without_a_reproduction_give_no_verdict():
    claim = literature()
    label, why = accuracy_verdict(claim, None)
    assert (label, "96.91 %" in why) == ("not reproduced", True)
    believed = tuple(result.model_copy(update={"unreproduced": ""}) for result in claim.published)
    assert accuracy_verdict(claim._replace(published=believed), None)[0] == "reproduced"


@pytest.mark.parametrize(
    ("values", "label", "words"),
    [
        ([98.0, 99.0, 100.0], "not reproduced", "99.00 % (95 % interval 96.52 to 100.00, 3 seeds), 0.0 points below"),
        ([99.4, 99.5, 99.6], "reproduced", "99.50 % (95 % interval 99.25 to 99.75, 3 seeds), 0.5 points above"),
        ([94.0, 95.0, math.nan], "not reproduced", "2 seeds, without 1 that diverged), 4.5 points below 99 %; the"),
        ([math.nan, math.nan], "not reproduced", "a compact CNN with BatchNorm diverged with every seed; the best of"),
    ],
)  # fmt: skip
def test_an_arm_reaches_a_claimed_accuracy_with_its_whole_interval(monkeypatch, values, label, words):
    """t(0.975, 2) is 4.3027 and the sd of 98, 99, 100 is 1: half an interval is 2.48; that of 99.4 to 99.6 is 0.248."""
    claim = read_claim(find_claim("ninety_nine"))
    monkeypatch.setattr(accuracy, "measure", lambda evidence, name, at, arm: pd.Series(values, dtype=float))
    found, why = accuracy_verdict(claim, SimpleNamespace(claim=claim))
    assert found == label and words in why
