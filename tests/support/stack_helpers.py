"""Runs that differ in all that a stack leaves free, and what a stack makes of them."""

import torch

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.training.model import initial_model
from harness.training.stacked.loop import StackedTrainer


def config(**changes):
    fields = LESSON | {"epochs": 3, "seed": 420, "dataset": "digits", "split": "search", "batch_size": 100}
    return make_config(**fields | changes)


def mixture(**common):
    """Runs that differ in all that a stack leaves free."""
    return [
        config(**common),
        config(lr=0.05, gamma=0.9, seed=2, **common),
        config(batch_norm=True, gamma=0.5, seed=3, epochs=2, **common),
        config(standardize=True, lr=0.01, gamma=0.99, seed=4, **common),
        config(standardize=True, batch_norm=True, seed=5, **common),
        config(gamma=0.9, lr=0.02, nesterov=True, weight_decay=0.01, seed=6, **common),
        config(gamma=0.8, batch_norm=True, nesterov=True, lr_schedule="cosine", warmup_epochs=1, seed=7, **common),
        config(lr_schedule="step", weight_decay=0.05, seed=8, **common),
        config(gamma=0.9, lr=0.03, lr_schedule="cosine", weight_decay=0.001, seed=9, **common),
    ]


def optimizers(**common):
    """Runs that torch.optim moves, in a stack of their own.

    BatchNorm after the hidden layer takes the input's shift out again, so that BatchNorm's bias there has no gradient
    but rounding, which these optimizers scale up: such runs cannot be compared.
    """
    has_bias = not common.get("hidden_batch_norm", False)
    return [
        config(optimizer="adam", lr=0.003, **common),
        config(optimizer="adam", lr=0.01, batch_norm=has_bias, weight_decay=0.01, seed=2, epochs=2, **common),
        config(optimizer="adamw", lr=0.002, weight_decay=0.05, lr_schedule="cosine", warmup_epochs=1, seed=3, **common),
        config(optimizer="rmsprop", lr=0.001, gamma=0.5, standardize=True, seed=4, **common),
        config(optimizer="rmsprop", lr=0.002, batch_norm=has_bias, lr_schedule="step", seed=5, **common),
    ]


MIXTURES = {"SGD": mixture, "other optimizers": optimizers}


def train_together(configs, dataset, models, **options):
    """The records of each run, times left out."""
    records = [[] for _ in configs]
    for epoch in StackedTrainer(configs, dataset, models, **options).epochs():
        for number, metrics in epoch.items():
            records[number].append(timeless(metrics))
    return records


def timeless(metrics):
    return metrics._replace(seconds=0, samples_per_second=0)


def models_of(configs, dataset, dtype=torch.float32):
    return [initial_model(one, dataset).to(dtype) for one in configs]


SHAPES = {
    "search": {},
    "lesson": {"split": "lesson"},
    "BatchNorm after the hidden layer": {"hidden_batch_norm": True},
    "stopped in mid-epoch": {"updates": 20},
    "a last batch of one": {"batch_size": 1_250, "hidden_batch_norm": True},
    "narrow": {"hidden": 3, "batch_size": 1_000},
}
