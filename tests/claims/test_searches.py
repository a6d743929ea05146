"""What a search without a tested winner counts as."""

from types import SimpleNamespace

import pytest

from harness.claims.searches import _state


@pytest.mark.parametrize(
    ("states", "ended"),
    [
        (("diverged", "pruned"), "diverged"),
        (("diverged", "failed"), "failed"),
        (("failed", "failed"), "failed"),
        (("complete", "diverged"), "failed"),  # the runs that confirm or test failed
    ],
)
def test_divergence_is_a_result_and_a_failure_is_none(states, ended):
    trials = [SimpleNamespace(outcome=SimpleNamespace(state=state)) for state in states]
    assert _state(SimpleNamespace(finished=lambda: trials)) == ended
