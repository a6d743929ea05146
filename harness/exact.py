"""What the lesson derives, checked exactly: against autograd and torch's own optimizer, in float64. Trains nothing."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

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
    """§2.1: ∂L/∂w⁽¹→²⁾ = σ⁽¹⁾ᵀ(σ⁽²⁾ − y) and ∂L/∂w⁽⁰→¹⁾ = Xᵀ[(σ⁽²⁾ − y) w⁽¹→²⁾ᵀ ⊙ σ⁽¹⁾(1 − σ⁽¹⁾)], summed loss."""
    generator = torch.Generator().manual_seed(420)
    x = torch.rand((50, 4), generator=generator, dtype=torch.float64)
    y = torch.randint(2, (50, 1), generator=generator).double()
    first = torch.randn((4, 3), generator=generator, dtype=torch.float64, requires_grad=True)
    second = torch.randn((3, 1), generator=generator, dtype=torch.float64, requires_grad=True)
    hidden = torch.sigmoid(x @ first)
    output = torch.sigmoid(hidden @ second)
    loss = -(y * output.log() + (1 - y) * (1 - output).log()).sum()
    automatic = torch.autograd.grad(loss, (first, second))
    delta = output - y
    by_hand = (x.T @ (delta @ second.T * hidden * (1 - hidden)), hidden.T @ delta)
    error = max(_distance(a, b) for a, b in zip(by_hand, automatic, strict=True))
    return ExactCheck("chain_rule", "§2.1: both weight gradients by the chain rule equal autograd's (float64)", error,
                      _TOLERANCE)  # fmt: skip


def _network() -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """§2.2: the 20–13–8–3 network on 500 rows, relu then sigmoid, and its cross-entropy."""
    generator = torch.Generator().manual_seed(420)
    x = torch.rand((500, 20), generator=generator, dtype=torch.float64) * 100
    y = torch.randint(3, (500,), generator=generator)
    shapes = ((20, 13), (13, 8), (8, 3))
    weights = [
        (torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5).div_(math.sqrt(shape[0])).requires_grad_()
        for shape in shapes
    ]
    scores = torch.sigmoid(torch.relu(x @ weights[0]) @ weights[1]) @ weights[2]
    return weights, x, y, cross_entropy(scores, y)


def _gradient_shapes() -> ExactCheck:
    weights, _, _, loss = _network()
    loss.backward()
    different = sum(weight.grad is None or weight.grad.shape != weight.shape for weight in weights)
    return ExactCheck("gradient_shapes", "§2.2: a gradient has its weight's shape (layers in which it has not)",
                      float(different), 0.0)  # fmt: skip


def _second_backward() -> ExactCheck:
    _, _, _, loss = _network()
    loss.backward()
    try:
        loss.backward()
        went_through = 1.0
    except RuntimeError:
        went_through = 0.0
    return ExactCheck("second_backward", "§2.2: a second backward() without retain_graph raises (0: it does)",
                      went_through, 0.0)  # fmt: skip


def _data_without_gradient() -> ExactCheck:
    _, x, y, loss = _network()
    loss.backward()
    received = sum(data.grad is not None for data in (x, y))
    return ExactCheck("data_without_gradient", "§2.2: X and y receive no gradient (how many do)", float(received), 0.0)


def _descend(lrs: list[float], gamma: float) -> tuple[Tensor, Tensor]:
    """The same bowl descended by v ← γv − η∇L, w ← w + v and by torch.optim.SGD: both ways, [steps, 2] each."""
    by_hand, velocity = torch.tensor([10.0, 7.5], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    weights = by_hand.clone().requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=lrs[0], momentum=gamma)
    ways: tuple[list[Tensor], list[Tensor]] = ([], [])
    scale = torch.tensor([0.5, 1.5], dtype=torch.float64)
    for lr in lrs:
        velocity = gamma * velocity - lr * (scale * by_hand)
        by_hand = by_hand + velocity
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        (scale * weights.square() / 2).sum().backward()
        optimizer.step()
        ways[0].append(by_hand)
        ways[1].append(weights.detach().clone())
    return torch.stack(ways[0]), torch.stack(ways[1])


def _momentum_by_hand() -> ExactCheck:
    by_hand, torchs = _descend([0.1] * 50, 0.9)
    return ExactCheck("momentum_by_hand", "§3.2: v ← γv − η∇L, w ← w + v equals torch.optim.SGD over 50 steps",
                      _distance(by_hand, torchs), _TOLERANCE)  # fmt: skip


def _momentum_after_a_change_of_lr() -> ExactCheck:
    """torch keeps u = Σ γᵏ∇L and steps by −ηu: a new η rescales the whole past, by hand it rescales the new part alone.

    At the step of the change the two are apart by γ |v| |η′/η − 1|, v the velocity before it.
    """
    lrs = [0.1] * 10 + [0.01]
    by_hand, torchs = _descend(lrs, 0.9)
    velocity = by_hand[9] - by_hand[8]
    expected = 0.9 * velocity * (0.01 / 0.1 - 1)
    apart = torchs[10] - by_hand[10]
    statement = (
        "§3.2: once lr changes, SGD is no longer the formula by hand: the step differs by γv(η′/η − 1)"
        f" (here {apart.norm().item():.3g}), to within"
    )
    return ExactCheck("momentum_change_of_lr", statement, _distance(apart, expected), _TOLERANCE)


def _updates_an_epoch(drop_last: bool) -> ExactCheck:
    """§4.2: n = m / N_B, rounded up, or down with drop_last; m = 50,000 and N_B = 4,000 as in §4.3, and others."""
    wrong = 0
    for images, size in ((50_000, 4_000), (60_000, 128), (569, 5), (1_000, 1_000), (10, 3)):
        loader = DataLoader(TensorDataset(torch.zeros(images, 1)), batch_size=size, drop_last=drop_last)
        expected = images // size if drop_last else math.ceil(images / size)
        wrong += sum(1 for _ in loader) != expected or len(loader) != expected
    how = "rounded down with drop_last" if drop_last else "rounded up: the last batch is smaller"
    name = "updates_drop_last" if drop_last else "updates"
    return ExactCheck(name, f"§4.2: an epoch has n = m / N_B updates, {how} (of 5 cases, wrong)", float(wrong), 0.0)


def _distance(a: Tensor, b: Tensor) -> float:
    return (a - b).detach().abs().max().item()
