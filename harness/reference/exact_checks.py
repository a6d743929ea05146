"""What the lesson derives, checked exactly: against autograd and torch's own optimizer, in float64.

The numbers that a reader's notebook prints are checked in float32, to the digits that all processors agree on.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy, log_softmax, nll_loss
from torch.utils.data import DataLoader, TensorDataset

from harness.core.language import N_
from harness.reference.small_model import (
    LOSS_AT_FIRST,
    LOSS_OF_TENTH,
    first_layer_by_hand,
    losses_by_sgd,
    small_data,
    small_loss,
    small_model,
)
from harness.reference.worked_examples import batch_sizes, chain_rule, descend, distance, network, one_layer

_TOLERANCE = 1e-12


class ExactCheck(NamedTuple):
    """A statement in English, the number found, and the bound that the number must not exceed."""

    name: str
    statement: str
    value: float
    bound: float

    @property
    def holds(self) -> bool:
        return self.value <= self.bound


def exact_checks() -> list[ExactCheck]:
    """All exact statements of the lesson, in its order."""
    return [
        _one_layer_factors(),
        _chain_rule(),
        _lesson_loss(),
        _gradient_shapes(),
        _no_gradient_before_backward(),
        _second_backward(),
        _retained_graph(),
        _data_without_gradient(),
        _data_with_gradient(),
        _cross_entropy_is_nll(),
        _momentum_by_hand(),
        _momentum_on_the_first_layer(),
        _velocity_settles(),
        _momentum_after_a_change_of_lr(),
        _lesson_ten_passes(),
        _updates_an_epoch(drop_last=False),
        _updates_an_epoch(drop_last=True),
        _tensor_dataset_lengths(),
        _loader_keeps_the_type(),
    ]


def _one_layer_factors() -> ExactCheck:
    statement = N_(
        "§2.1: one layer: ∂L/∂σ = (σ − y)/(σ(1 − σ)), σ′ = σ(1 − σ), ∂z/∂w = x, and their product (σ − y)x equal"
        " autograd's (float64)"
    )
    return ExactCheck("one_layer_factors", statement, max(one_layer().values()), _TOLERANCE)


def _chain_rule() -> ExactCheck:
    return ExactCheck("chain_rule", N_("§2.1: both weight gradients by the chain rule equal autograd's (float64)"),
                      chain_rule().error, _TOLERANCE)  # fmt: skip


def _lesson_loss() -> ExactCheck:
    """To a float32's last digits, which differ by processor."""
    return ExactCheck("lesson_loss", N_("§2.2: the loss of the lesson's own network is 1.1057284 before any step"),
                      abs(small_loss(small_model()).item() - LOSS_AT_FIRST), 1e-6)  # fmt: skip


def _no_gradient_before_backward() -> ExactCheck:
    model = small_model()
    small_loss(model)
    there = sum(weight.grad is not None for weight in model.parameters())
    statement = N_("§2.2: .grad is None before backward() (weights that have one)")
    return ExactCheck("no_gradient_before_backward", statement, float(there), 0.0)


def _gradient_shapes() -> ExactCheck:
    weights, _, _, loss = network()
    loss.backward()
    different = sum(weight.grad is None or weight.grad.shape != weight.shape for weight in weights)
    return ExactCheck("gradient_shapes", N_("§2.2: a gradient has its weight's shape (layers in which it has not)"),
                      float(different), 0.0)  # fmt: skip


def _second_backward() -> ExactCheck:
    loss = network().loss
    loss.backward()
    return ExactCheck("second_backward", N_("§2.2: a second backward() without retain_graph raises (0: it does)"),
                      float(not _raises(RuntimeError, loss.backward)), 0.0)  # fmt: skip


def _retained_graph() -> ExactCheck:
    """Why the lesson calls zero_grad() after each step."""
    model = small_model()
    loss = small_loss(model)
    loss.backward(retain_graph=True)
    once = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    loss.backward()
    twice = [weight.grad for weight in model.parameters() if weight.grad is not None]
    statement = N_(
        "§2.2: with retain_graph=True a second backward() adds the same gradient again (difference from twice it)"
    )
    return ExactCheck("retained_graph", statement,
                      max(distance(two, 2 * one) for one, two in zip(once, twice, strict=True)), 0.0)  # fmt: skip


def _data_without_gradient() -> ExactCheck:
    _, x, y, loss = network()
    loss.backward()
    received = sum(data.grad is not None for data in (x, y))
    return ExactCheck(
        "data_without_gradient", N_("§2.2: X and y receive no gradient (how many do)"), float(received), 0.0
    )


def _data_with_gradient() -> ExactCheck:
    """Leaves with requires_grad have a gradient; nn.Module switches it on for its weights, not for data."""
    model, (x, y) = small_model(), small_data()
    x.requires_grad_()
    cross_entropy(model(x), y).backward()
    lacking = sum(leaf.grad is None for leaf in (x, *model.parameters()))
    statement = N_("§2.2: X receives a gradient once requires_grad is on (leaves without one)")
    return ExactCheck("data_with_gradient", statement, float(lacking), 0.0)


def _cross_entropy_is_nll() -> ExactCheck:
    """The lesson's comment says that it holds a sigmoid; §5 uses both halves by themselves."""
    x, y = small_data()
    scores = small_model().double()(x.double())
    apart = distance(cross_entropy(scores, y), nll_loss(log_softmax(scores, dim=1), y))
    return ExactCheck("cross_entropy_is_nll", N_("§2.2, §5.4: CrossEntropyLoss is log-softmax, then NLLLoss (float64)"),
                      apart, _TOLERANCE)  # fmt: skip


def _momentum_by_hand() -> ExactCheck:
    by_hand, torchs = descend([0.1] * 50, 0.9)
    return ExactCheck("momentum_by_hand", N_("§3.2: v ← γv − η∇L, w ← w + v equals torch.optim.SGD over 50 steps"),
                      distance(by_hand, torchs), _TOLERANCE)  # fmt: skip


def _momentum_on_the_first_layer() -> ExactCheck:
    ways = zip(*first_layer_by_hand(10), strict=True)
    statement = N_(
        "§3.2: on linear1.weight, v ← γv − η∇L, w ← w + v equals torch.optim.SGD after each of 10 steps (float64)"
    )
    return ExactCheck("momentum_on_linear1", statement, max(distance(one, other) for one, other in ways), _TOLERANCE)


def _velocity_settles() -> ExactCheck:
    """For a constant gradient: "v grows ever larger" holds for the first steps only."""
    lr, gamma = 0.1, 0.9
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=lr, momentum=gamma)
    for _ in range(300):
        before = weight.detach().clone()
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    steps = (before - weight.detach()).item() / lr
    statement = N_("§3.2: under a constant gradient v settles at 1/(1 − γ) times the step, 10 for γ = 0.9 (difference)")
    return ExactCheck("velocity_settles", statement, abs(steps - 1 / (1 - gamma)), _TOLERANCE)


def _lesson_ten_passes() -> ExactCheck:
    statement = N_(
        "§3.3: by lr 0.1 and γ 0.9, the lesson's own network has a loss of 1.0792 in its tenth pass, to four digits"
    )
    return ExactCheck("lesson_ten_passes", statement, abs(losses_by_sgd(10)[-1] - LOSS_OF_TENTH), 5e-5)


def _momentum_after_a_change_of_lr() -> ExactCheck:
    """torch keeps u = Σ γᵏ∇L and steps by −ηu: a new η rescales the whole past, by hand it rescales the new part alone.

    At the step of the change the two are apart by γ |v| |η′/η − 1|, v the velocity before it.
    """
    lrs = [0.1] * 10 + [0.01]
    by_hand, torchs = descend(lrs, 0.9)
    velocity = by_hand[9] - by_hand[8]
    expected = 0.9 * velocity * (0.01 / 0.1 - 1)
    apart = torchs[10] - by_hand[10]
    statement = N_(
        "§3.2: once lr changes, SGD is no longer the formula by hand: the step differs by γv(η′/η − 1) (here 1.4), to"
        " within"
    )
    return ExactCheck("momentum_change_of_lr", statement, distance(apart, expected), _TOLERANCE)


def _updates_an_epoch(drop_last: bool) -> ExactCheck:
    """§4.2: n = m / N_B, rounded up, or down with drop_last; m = 50,000 and N_B = 4,000 as in §4.3, and others."""
    wrong = 0
    for images, size in ((50_000, 4_000), (60_000, 128), (569, 5), (1_000, 1_000), (10, 3)):
        expected = images // size if drop_last else math.ceil(images / size)
        wrong += len(batch_sizes(images, size, drop_last)) != expected
    if drop_last:
        statement = N_("§4.2: an epoch has n = m / N_B updates, rounded down with drop_last (of 5 cases, wrong)")
        return ExactCheck("updates_drop_last", statement, float(wrong), 0.0)
    statement = N_("§4.2: an epoch has n = m / N_B updates, rounded up: the last batch is smaller (of 5 cases, wrong)")
    return ExactCheck("updates", statement, float(wrong), 0.0)


def _tensor_dataset_lengths() -> ExactCheck:
    rows, labels = torch.zeros(5, 2), torch.zeros(4)
    return ExactCheck("tensor_dataset_lengths", N_("§4.3: TensorDataset refuses tensors of other lengths (0: it does)"),
                      float(not _raises(AssertionError, lambda: TensorDataset(rows, labels))), 0.0)  # fmt: skip


def _loader_keeps_the_type() -> ExactCheck:
    rows = torch.from_numpy(np.zeros((6, 2)))
    loader = DataLoader(TensorDataset(rows), batch_size=4)
    (first,) = next(iter(loader))
    wrong = [first.dtype is not torch.float64, loader.batch_size != 4, len(loader.dataset[0]) != 1, len(loader) != 2]
    statement = N_(
        "§4.3: a loader keeps NumPy's float64; .batch_size, .dataset[0] and len() are those that went in (wrong)"
    )
    return ExactCheck("loader_keeps_the_type", statement, float(sum(wrong)), 0.0)


def _raises(kind: type[Exception], work: Callable[[], object]) -> bool:
    try:
        work()
    except kind:
        return True
    return False
