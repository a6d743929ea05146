"""An MLP of three layers with dropout, for images and tables alike."""

import math

from torch import nn


def dropout_mlp(shape: tuple[int, ...], classes: int, hidden: int = 128, dropout: float = 0.2) -> nn.Module:
    """Inputs [batch, *shape] to logits [batch, classes]; dropout after each of the two hidden layers."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(shape), hidden), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )  # fmt: skip
