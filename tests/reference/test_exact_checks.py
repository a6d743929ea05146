import pytest
import torch

from harness.reference import exact_checks, small_model


@pytest.mark.parametrize("check", exact_checks.exact_checks(), ids=lambda check: check.name)
def test_the_lessons_exact_statements_hold(check):
    assert check.holds, f"{check.statement}: {check.value} > {check.bound}"


def test_there_is_a_check_for_each_statement():
    assert {check.name for check in exact_checks.exact_checks()} == {
        "one_layer_factors", "chain_rule", "lesson_loss", "gradient_shapes", "no_gradient_before_backward",
        "second_backward", "retained_graph", "data_without_gradient", "data_with_gradient", "cross_entropy_is_nll",
        "momentum_by_hand", "momentum_on_linear1", "velocity_settles", "momentum_change_of_lr", "lesson_ten_passes",
        "updates", "updates_drop_last", "tensor_dataset_lengths", "loader_keeps_the_type",
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


def test_another_seed_would_be_seen(monkeypatch):
    """The numbers that a reader's notebook prints are those of this seed."""
    monkeypatch.setattr(small_model, "SEED", 421)
    assert not exact_checks._lesson_loss().holds
    assert not exact_checks._lesson_ten_passes().holds


def test_gradients_that_do_not_add_up_would_be_seen(monkeypatch):
    real = torch.Tensor.backward

    def backward(self, retain_graph=None):
        for weight in weights:
            weight.grad = None
        real(self, retain_graph=retain_graph)

    model = small_model.small_model()
    weights = list(model.parameters())
    monkeypatch.setattr(exact_checks, "small_model", lambda: model)
    monkeypatch.setattr(torch.Tensor, "backward", backward)
    assert not exact_checks._retained_graph().holds


def test_a_wrong_step_on_the_first_layer_would_be_seen(monkeypatch):
    real = torch.optim.SGD
    monkeypatch.setattr(torch.optim, "SGD", lambda params, lr, momentum: real(params, lr, momentum, nesterov=True))
    assert not exact_checks._momentum_on_the_first_layer().holds


def test_a_velocity_that_does_not_settle_there_would_be_seen(monkeypatch):
    real = torch.optim.SGD
    monkeypatch.setattr(torch.optim, "SGD", lambda params, lr, momentum: real(params, lr, momentum, dampening=0.1))
    assert not exact_checks._velocity_settles().holds


def test_a_sigmoid_inside_the_loss_would_be_seen(monkeypatch):
    """As a comment of the lesson has it."""
    real = exact_checks.cross_entropy
    monkeypatch.setattr(exact_checks, "cross_entropy", lambda scores, y: real(scores.sigmoid(), y))
    assert not exact_checks._cross_entropy_is_nll().holds


def test_a_loader_that_changes_types_would_be_seen(monkeypatch):
    monkeypatch.setattr(
        exact_checks,
        "TensorDataset",
        lambda *tensors: [tuple(t.float() for t in row) for row in zip(*tensors, strict=False)],
    )
    assert not exact_checks._loader_keeps_the_type().holds
    assert not exact_checks._tensor_dataset_lengths().holds, "zip takes what is there"
