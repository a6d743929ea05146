"""Where the time of one update of a stack goes, operation by operation, on Fashion-MNIST with one thread.

torch's own profiler; its figures include what it costs itself, so that shares count more than seconds.
"""

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from bench import fashion_mnist, with_data_dir
from torch.profiler import ProfilerActivity, profile

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.training.model import initial_mlp
from harness.training.stacked.loop import StackedTrainer
from harness.training.stacked.matmul import use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend

UPDATES, LINES = 300, 14


def main() -> None:
    """Print the operations, dearest first."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--runs", type=int, default=4, help="in the stack")
    parser.add_argument("--batch-norm", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    dataset = fashion_mnist(parser, given.data_dir)
    settings = LESSON | {"gamma": 0.9, "lr": 0.01, "epochs": 1, "updates": UPDATES}
    settings |= {"batch_size": given.batch_size, "batch_norm": given.batch_norm}
    configs = [make_config(**settings, seed=seed, dataset=dataset.name, split="lesson") for seed in range(given.runs)]
    stack = StackedTrainer(configs, dataset, [initial_mlp(config, dataset) for config in configs])
    _ = dataset.pixel_sums if given.batch_norm else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            use_matmul_backend(chosen := choose_matmul_backend()),
            profile(activities=[ProfilerActivity.CPU]) as profiler,
        ):
            next(stack.epochs())
    operations = sorted(profiler.key_averages(), key=lambda one: -one.self_cpu_time_total)
    total = sum(one.self_cpu_time_total for one in operations)
    what = f"an update of {given.runs} runs, batch {given.batch_size}, products by {chosen}"
    print(f"{what}: {total / UPDATES:.0f} µs in all operations")
    print(f"{'operation':<28} {'calls':>8} {'µs':>8} {'share':>7}")
    for one in operations[:LINES]:
        share, name = one.self_cpu_time_total / total, one.key.removeprefix("aten::")
        print(f"{name:<28} {one.count / UPDATES:>8.1f} {one.self_cpu_time_total / UPDATES:>8.1f} {share:>7.1%}")


if __name__ == "__main__":
    main()
