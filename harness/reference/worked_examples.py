"""The lesson's worked examples that need torch, in float64: each computes by hand what torch computes too.

`exact_checks.py` states what must hold of them, the walkthrough shows them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from harness.reference.small_model import small_data, small_model

_SEED = 420


class ChainRule(NamedTuple):
    """§2.1: the network x → σ⁽¹⁾ → σ⁽²⁾ with binary cross-entropy, summed; gradients by hand and by autograd.

    `by_hand` and `automatic`: (∂L/∂w⁽⁰→¹⁾ [4, 3], ∂L/∂w⁽¹→²⁾ [3, 1]).
    """

    loss: float
    by_hand: tuple[Tensor, Tensor]
    automatic: tuple[Tensor, Tensor]

    @property
    def error(self) -> float:
        """The greatest difference of two entries."""
        return max(distance(a, b) for a, b in zip(self.by_hand, self.automatic, strict=True))


def chain_rule() -> ChainRule:
    """∂L/∂w⁽¹→²⁾ = σ⁽¹⁾ᵀ(σ⁽²⁾ − y) and ∂L/∂w⁽⁰→¹⁾ = Xᵀ[(σ⁽²⁾ − y) w⁽¹→²⁾ᵀ ⊙ σ⁽¹⁾(1 − σ⁽¹⁾)], on 50 rows of 4."""
    generator = torch.Generator().manual_seed(_SEED)
    x = torch.rand((50, 4), generator=generator, dtype=torch.float64)
    y = torch.randint(2, (50, 1), generator=generator).double()
    first = torch.randn((4, 3), generator=generator, dtype=torch.float64, requires_grad=True)
    second = torch.randn((3, 1), generator=generator, dtype=torch.float64, requires_grad=True)
    hidden = torch.sigmoid(x @ first)
    output = torch.sigmoid(hidden @ second)
    loss = -(y * output.log() + (1 - y) * (1 - output).log()).sum()
    to_first, to_second = torch.autograd.grad(loss, (first, second))
    delta = output - y
    by_hand = (x.T @ (delta @ second.T * hidden * (1 - hidden)), hidden.T @ delta)
    return ChainRule(loss.item(), (by_hand[0].detach(), by_hand[1].detach()), (to_first, to_second))


def one_layer() -> dict[str, float]:
    """§2.1: z = xw, σ = sigmoid(z), L = −y ln σ − (1 − y) ln(1 − σ): how far each factor by hand is from autograd's.

    The factors ∂L/∂σ, σ′ and ∂z/∂w, and their product ∂L/∂w = (σ − y)x; the greatest difference of 50 rows.
    """
    generator = torch.Generator().manual_seed(_SEED)
    x = torch.randn((50, 1), generator=generator, dtype=torch.float64)
    y = torch.randint(2, (50, 1), generator=generator).double()
    w = torch.full((50, 1), 0.7, dtype=torch.float64, requires_grad=True)  # one for each row
    z = x * w
    output = torch.sigmoid(z)
    loss = -(y * output.log() + (1 - y) * (1 - output).log())
    automatic = [
        torch.autograd.grad(top.sum(), bottom, retain_graph=True)[0]
        for top, bottom in ((loss, output), (output, z), (z, w), (loss, w))
    ]
    by_hand = [(output - y) / (output * (1 - output)), output * (1 - output), x, (output - y) * x]
    names = ("∂L/∂σ", "σ′", "∂z/∂w", "∂L/∂w")
    return {name: distance(a, b) for name, a, b in zip(names, by_hand, automatic, strict=True)}


def slope_of_a_square(at: float = 1.0) -> float:
    """§2.2: `torch.autograd.grad` of x²."""
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(x**2, x)
    return float(slope)


class Network(NamedTuple):
    """§2.2: 20–13–8–3 (relu, then sigmoid, linear output) on 500 rows, and its mean cross-entropy.

    `weights`: [13, 20], [8, 13], [3, 8], as `nn.Linear` has them; `x` [500, 20] from 0 to 100; `y` int64 [500].
    """

    weights: list[Tensor]
    x: Tensor
    y: Tensor
    loss: Tensor


def network() -> Network:
    """The lesson's own network in float64, its data and its loss, before any backward()."""
    model, (x, y) = small_model().double(), small_data()
    layers = (model.linear1, model.linear2, model.output)
    return Network([layer.weight for layer in layers], x.double(), y, cross_entropy(model(x.double()), y))


def network_loss(weights: Sequence[Tensor]) -> float:
    """The loss of the same network under other weights; its biases stay."""
    model, (x, y) = small_model().double(), small_data()
    names = ("linear1.weight", "linear2.weight", "output.weight")
    scores = functional_call(model, dict(zip(names, weights, strict=True)), (x.double(),))
    return cross_entropy(scores, y).item()


def network_gradients() -> list[Tensor]:
    """∂L/∂w of each layer, of the weight's own shape."""
    given = network()
    return list(torch.autograd.grad(given.loss, given.weights))


def descend(lrs: Sequence[float], gamma: float, curvature: Sequence[float] = (0.5, 1.5)) -> tuple[Tensor, Tensor]:
    """§3.2 and §3.3: the bowl Σ cᵢwᵢ²/2 descended from (10, 7.5) by v ← γv − η∇L, w ← w + v, and by `optim.SGD`.

    One η a step; [steps, 2] both ways.
    """
    by_hand, velocity = torch.tensor([10.0, 7.5], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    weights = by_hand.clone().requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=lrs[0], momentum=gamma)
    ways: tuple[list[Tensor], list[Tensor]] = ([], [])
    scale = torch.tensor(list(curvature), dtype=torch.float64)
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


def batch_sizes(samples: int, batch_size: int, drop_last: bool) -> list[int]:
    """§4.2: how many samples each batch of an epoch holds, as `DataLoader` hands them out."""
    loader = DataLoader(TensorDataset(torch.zeros(samples, 1)), batch_size=batch_size, drop_last=drop_last)
    return [len(batch) for (batch,) in loader]


def distance(a: Tensor, b: Tensor) -> float:
    """The greatest difference of two entries."""
    return (a - b).detach().abs().max().item()
