"""What an epoch of one run costs with each optimizer, in a stack and by `train`, on Fashion-MNIST with one thread.

In turn in one process. `--quick`: once each, after few updates.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from bench import fashion_mnist, in_turn, with_data_dir, write
from rivals import Epoch

from harness.core.config import RunConfig, make_config
from harness.core.defaults import LESSON
from harness.data.dataset import Dataset, training_size
from harness.training.loop import train
from harness.training.model import initial_mlp
from harness.training.stacked.loop import StackedTrainer
from harness.training.stacked.matmul import use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD with momentum": {"gamma": 0.9, "lr": 0.01},
    "with Nesterov's momentum": {"gamma": 0.9, "lr": 0.01, "nesterov": True},
    "and weight decay": {"gamma": 0.9, "lr": 0.01, "nesterov": True, "weight_decay": 1e-4},
    "Adam": {"optimizer": "adam", "lr": 0.001},
    "AdamW": {"optimizer": "adamw", "lr": 0.001, "weight_decay": 0.01},
    "RMSprop": {"optimizer": "rmsprop", "lr": 0.001},
}
SIZES, RUNS, UPDATES = (32, 128), 8, 400


def _configs(dataset: Dataset, batch_size: int, runs: int, updates: int, fields: dict[str, Any]) -> list[RunConfig]:
    settings = LESSON | {"batch_size": batch_size, "epochs": 1, "updates": updates} | fields
    return [make_config(**settings, seed=seed, dataset=dataset.name, split="lesson") for seed in range(runs)]


def _scaled(dataset: Dataset, batch_size: int, updates: int) -> float:
    """From these updates to a whole epoch."""
    return training_size(dataset, "lesson") / (batch_size * updates)


def _alone(dataset: Dataset, batch_size: int, updates: int, fields: dict[str, Any]) -> Epoch:
    (config,) = _configs(dataset, batch_size, 1, updates, fields)
    return lambda: next(train(config, dataset)).seconds * _scaled(dataset, batch_size, updates)


def _stacked(dataset: Dataset, batch_size: int, updates: int, fields: dict[str, Any]) -> Epoch:
    configs = _configs(dataset, batch_size, RUNS, updates, fields)

    def epoch() -> float:
        stack = StackedTrainer(configs, dataset, [initial_mlp(config, dataset) for config in configs])
        return next(stack.epochs())[0].seconds * _scaled(dataset, batch_size, updates)

    return epoch


def main() -> None:
    """Print a line for each optimizer and batch size, and write JSON."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--quick", action="store_true", help="one round of few updates instead of five")
    parser.add_argument("--out", type=Path, default=Path("reports/optimizer_cost.json"))
    given = parser.parse_args()
    dataset = fashion_mnist(parser, given.data_dir)
    torch.set_num_threads(1)
    updates, rounds = (20, 1) if given.quick else (UPDATES, 5)
    contenders = {
        f"{size} {name} {way}": make(dataset, size, updates, fields)
        for size in SIZES
        for name, fields in OPTIMIZERS.items()
        for way, make in (("alone", _alone), ("stack", _stacked))
    }
    with use_matmul_backend(choose_matmul_backend()):
        taken = in_turn(contenders, rounds)
    seconds: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'batch':>5}  {'optimizer':<26} {'alone':>8} {f'of {RUNS}':>8} {'times':>6}")
    for size in SIZES:
        for name in OPTIMIZERS:
            alone, stacked = taken[f"{size} {name} alone"], taken[f"{size} {name} stack"]
            seconds.setdefault(str(size), {})[name] = {"alone": alone, "stack": stacked}
            print(f"{size:>5}  {name:<26} {alone:>6.2f} s {stacked:>6.2f} s {alone / stacked:>6.2f}")
    write(given.out, {"runs_in_a_stack": RUNS, "seconds_of_an_epoch_of_a_run": seconds})


if __name__ == "__main__":
    main()
