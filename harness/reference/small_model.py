"""The network of §2.2 as the lesson writes it: biases, float32, and the lesson's seed, so that its numbers come out.

A reader's notebook prints the loss of `small_model` on `small_data`, and that of its first steps by momentum.
"""

import torch
from torch import Tensor, nn

SEED = 420
# What a notebook prints, with torch's default types on a CPU: the loss before any step, and that of the tenth pass.
LOSS_AT_FIRST, LOSS_OF_TENTH = 1.1057284, 1.0792
_LR, _GAMMA = 0.1, 0.9


class SmallModel(nn.Module):
    """20–13–8–3 with biases: relu, then sigmoid, and a linear output without softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(20, 13)
        self.linear2 = nn.Linear(13, 8)
        self.output = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [n, 3] of rows [n, 20]."""
        scores: Tensor = self.output(torch.sigmoid(self.linear2(torch.relu(self.linear1(x)))))
        return scores


def small_data() -> tuple[Tensor, Tensor]:
    """X [500, 20] from 0 to 100, and y int64 [500], of three classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return torch.rand((500, 20)) * 100, torch.randint(0, 3, (500, 1)).flatten()


def small_model() -> SmallModel:
    """The network, its weights drawn after the seed was set again."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return SmallModel()


def small_loss(model: SmallModel) -> Tensor:
    """The mean cross-entropy on the data."""
    x, y = small_data()
    return nn.functional.cross_entropy(model(x), y)


def losses_by_sgd(passes: int) -> list[float]:
    """§3.3, at lr 0.1 and γ 0.9: forward, loss, backward, step, zero_grad, so many times.

    The result is the loss of each pass, before its step.
    """
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=_LR, momentum=_GAMMA)
    losses = []
    for _ in range(passes):
        loss = small_loss(model)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def first_layer_by_hand(steps: int) -> tuple[list[Tensor], list[Tensor]]:
    """§3.2: `linear1.weight` [13, 20] after each step, moved by v ← γv − η∇L, w ← w + v, and by `optim.SGD`.

    All else stays where it is, in float64.
    """
    by_hand, by_torch = small_model().double(), small_model().double()
    x, y = small_data()
    optimizer = torch.optim.SGD([by_torch.linear1.weight], lr=_LR, momentum=_GAMMA)
    velocity = torch.zeros_like(by_hand.linear1.weight)
    ways: tuple[list[Tensor], list[Tensor]] = ([], [])
    for _ in range(steps):
        loss = nn.functional.cross_entropy(by_hand(x.double()), y)
        (gradient,) = torch.autograd.grad(loss, by_hand.linear1.weight)
        velocity = _GAMMA * velocity - _LR * gradient
        with torch.no_grad():
            by_hand.linear1.weight += velocity
        optimizer.zero_grad()
        nn.functional.cross_entropy(by_torch(x.double()), y).backward()
        optimizer.step()
        for way, model in zip(ways, (by_hand, by_torch), strict=True):
            way.append(model.linear1.weight.detach().clone())
    return ways
