"""What the lesson derives, checked exactly: against autograd and torch's own optimizer, in float64. Trains nothing."""

import math
from typing import NamedTuple

from harness.reference.worked_examples import batch_sizes, chain_rule, descend, distance, network

_TOLERANCE = 1e-12


class ExactCheck(NamedTuple):
    """A statement, the number found, and the bound that the number must not exceed."""

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
        _chain_rule(),
        _gradient_shapes(),
        _second_backward(),
        _data_without_gradient(),
        _momentum_by_hand(),
        _momentum_after_a_change_of_lr(),
        _updates_an_epoch(drop_last=False),
        _updates_an_epoch(drop_last=True),
    ]


def _chain_rule() -> ExactCheck:
    return ExactCheck("chain_rule", "§2.1: both weight gradients by the chain rule equal autograd's (float64)",
                      chain_rule().error, _TOLERANCE)  # fmt: skip


def _gradient_shapes() -> ExactCheck:
    weights, _, _, loss = network()
    loss.backward()
    different = sum(weight.grad is None or weight.grad.shape != weight.shape for weight in weights)
    return ExactCheck("gradient_shapes", "§2.2: a gradient has its weight's shape (layers in which it has not)",
                      float(different), 0.0)  # fmt: skip


def _second_backward() -> ExactCheck:
    loss = network().loss
    loss.backward()
    try:
        loss.backward()
        went_through = 1.0
    except RuntimeError:
        went_through = 0.0
    return ExactCheck("second_backward", "§2.2: a second backward() without retain_graph raises (0: it does)",
                      went_through, 0.0)  # fmt: skip


def _data_without_gradient() -> ExactCheck:
    _, x, y, loss = network()
    loss.backward()
    received = sum(data.grad is not None for data in (x, y))
    return ExactCheck("data_without_gradient", "§2.2: X and y receive no gradient (how many do)", float(received), 0.0)


def _momentum_by_hand() -> ExactCheck:
    by_hand, torchs = descend([0.1] * 50, 0.9)
    return ExactCheck("momentum_by_hand", "§3.2: v ← γv − η∇L, w ← w + v equals torch.optim.SGD over 50 steps",
                      distance(by_hand, torchs), _TOLERANCE)  # fmt: skip


def _momentum_after_a_change_of_lr() -> ExactCheck:
    """torch keeps u = Σ γᵏ∇L and steps by −ηu: a new η rescales the whole past, by hand it rescales the new part alone.

    At the step of the change the two are apart by γ |v| |η′/η − 1|, v the velocity before it.
    """
    lrs = [0.1] * 10 + [0.01]
    by_hand, torchs = descend(lrs, 0.9)
    velocity = by_hand[9] - by_hand[8]
    expected = 0.9 * velocity * (0.01 / 0.1 - 1)
    apart = torchs[10] - by_hand[10]
    statement = (
        "§3.2: once lr changes, SGD is no longer the formula by hand: the step differs by γv(η′/η − 1)"
        f" (here {apart.norm().item():.3g}), to within"
    )
    return ExactCheck("momentum_change_of_lr", statement, distance(apart, expected), _TOLERANCE)


def _updates_an_epoch(drop_last: bool) -> ExactCheck:
    """§4.2: n = m / N_B, rounded up, or down with drop_last; m = 50,000 and N_B = 4,000 as in §4.3, and others."""
    wrong = 0
    for images, size in ((50_000, 4_000), (60_000, 128), (569, 5), (1_000, 1_000), (10, 3)):
        expected = images // size if drop_last else math.ceil(images / size)
        wrong += len(batch_sizes(images, size, drop_last)) != expected
    how = "rounded down with drop_last" if drop_last else "rounded up: the last batch is smaller"
    name = "updates_drop_last" if drop_last else "updates"
    return ExactCheck(name, f"§4.2: an epoch has n = m / N_B updates, {how} (of 5 cases, wrong)", float(wrong), 0.0)
