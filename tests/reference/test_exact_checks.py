import pytest
import torch

from harness.reference import exact_checks


@pytest.mark.parametrize("check", exact_checks.exact_checks(), ids=lambda check: check.name)
def test_the_lessons_exact_statements_hold(check):
    assert check.holds, f"{check.statement}: {check.value} > {check.bound}"


def test_there_is_a_check_for_each_statement():
    assert {check.name for check in exact_checks.exact_checks()} == {
        "chain_rule", "gradient_shapes", "second_backward", "data_without_gradient", "momentum_by_hand",
        "momentum_change_of_lr", "updates", "updates_drop_last",
    }  # fmt: skip


def test_a_wrong_formula_would_be_seen(monkeypatch):
    """Nesterov's momentum is not the lesson's: the check of the formula by hand must fail on it."""
    real = torch.optim.SGD
    monkeypatch.setattr(torch.optim, "SGD", lambda params, lr, momentum: real(params, lr, momentum, nesterov=True))
    assert not exact_checks._momentum_by_hand().holds


def test_a_sign_that_is_lost_would_be_seen(monkeypatch):
    real = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *given: tuple(-gradient for gradient in real(*given)))
    assert not exact_checks._chain_rule().holds


def test_a_backward_that_passes_twice_would_be_seen(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "backward", lambda self: None)
    assert not exact_checks._second_backward().holds
    assert not exact_checks._gradient_shapes().holds
