"""Whether a network learned anything: more than always giving the same answer."""

import math
from typing import NamedTuple

import torch

from harness.core.metrics import EpochMetrics

_Z = 1.96


class Guess(NamedTuple):
    """What the best constant answer reaches on `examples` labels.

    `accuracy`: the share of the largest class. `loss`: the entropy of the labels in nats, ln(classes) if all classes
    are equally frequent; by Gibbs' inequality no constant answer has a lower one.
    """

    accuracy: float
    loss: float
    examples: int


def best_guess(labels: torch.Tensor) -> Guess:
    """The best constant answer to these labels (int64 [n], n ≥ 1)."""
    shares = labels.bincount().double() / len(labels)
    entropy = -torch.special.xlogy(shares, shares).sum()
    return Guess(float(shares.max()), float(entropy), len(labels))


def did_not_learn(metrics: EpochMetrics, guess: Guess) -> bool:
    """Whether validation accuracy is within noise (95 %) of the best guess, and the loss is not below its loss."""
    if metrics.val_accuracy is None or metrics.val_loss is None:
        return False
    noise = _Z * math.sqrt(guess.accuracy * (1 - guess.accuracy) / guess.examples)
    return metrics.val_accuracy <= guess.accuracy + noise and not metrics.val_loss < guess.loss
