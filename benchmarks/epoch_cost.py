"""What one epoch of one run costs, in seconds, on the 60,000 Fashion-MNIST images with the lesson's network.

This project (one run by `train`, many by cohorts on all cores) against what a person would take instead, in turn in one
process, and against the matrix products alone, which are the limit. `--quick`: once each, fewer runs. What is not
installed is skipped by name; `pip install '.[bench]'` brings it.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from bench import fashion_mnist, in_turn, seconds_of, with_data_dir, write
from rivals import GAMMA, HIDDEN, LR, RIVAL, RIVALS, Epoch, lesson_loop

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.dataset import Dataset
from harness.engines.base import Finished, Job
from harness.engines.local import LocalEngine
from harness.engines.machine import physical_cores
from harness.engines.pool import Pool
from harness.training.loop import train
from harness.training.stacked.matmul import use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend

SIZES = (32, 128, 1_024)
OURS, LIMIT = "this project, stacks", "matrix products alone"


def _config(dataset: Dataset, batch_size: int, seed: int = 1, epochs: int = 1) -> Any:
    fields = LESSON | {"lr": LR, "gamma": GAMMA, "batch_size": batch_size, "epochs": epochs}
    return make_config(**fields, seed=seed, dataset=dataset.name, split="lesson")


def one_run(dataset: Dataset, batch_size: int) -> Epoch:
    """`train`, with as many threads as there are cores."""
    return lambda: seconds_of(lambda: list(train(_config(dataset, batch_size), dataset)))


class Stacks:
    """Seeds of one arm on the real engine: a worker a core. Everything is timed but the start of the workers."""

    def __init__(self, dataset: Dataset, epochs: int) -> None:
        self._dataset, self._epochs = dataset, epochs
        self._runs = 8 * physical_cores()
        self._engine = LocalEngine(dataset, Pool(physical_cores()), "cpu", choose_matmul_backend())

    def __enter__(self) -> "Stacks":
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def epoch(self, batch_size: int) -> Epoch:
        self._train(batch_size, runs=2 * physical_cores(), epochs=1)  # workers up, width measured
        return lambda: seconds_of(lambda: self._train(batch_size, self._runs, self._epochs)) / self._runs / self._epochs

    def _train(self, batch_size: int, runs: int, epochs: int) -> None:
        jobs = [Job(str(seed), _config(self._dataset, batch_size, seed, epochs)) for seed in range(runs)]
        events = list(self._engine.execute(jobs, None))
        assert all(event.result.state == "complete" for event in events if isinstance(event, Finished))


def _products_epoch(batch_size: int) -> float:
    """Seconds of the large products of an epoch, in a process of its own with one thread, at the best stack width."""
    torch.set_num_threads(1)
    best = float("inf")
    with use_matmul_backend(choose_matmul_backend()):
        for runs in (1, 2, 4, 8):
            if runs * batch_size > 4_096:
                break
            x, weights = torch.rand(runs, batch_size, 784), torch.rand(runs, HIDDEN, 784)
            delta, sums = torch.rand(runs, batch_size, HIDDEN), torch.empty(runs, batch_size, HIDDEN)

            def multiply(steps: int) -> None:
                for _ in range(steps):
                    torch.bmm(x, weights.transpose(1, 2), out=sums)  # noqa: B023
                    weights.baddbmm_(delta.transpose(1, 2), x, alpha=1e-9)  # noqa: B023

            multiply(3)
            steps = max(20, 20_000 // (runs * batch_size))
            taken = min(seconds_of(lambda: multiply(steps)) for _ in range(3))  # noqa: B023
            best = min(best, taken / steps / runs * 60_000 / batch_size)
    return best


def matmul_backend(pool: Any, batch_size: int) -> Epoch:
    """The limit: forward and weight gradient of the hidden layer, nothing else, on all cores at once."""
    cores = physical_cores()
    return lambda: max(pool.map(_products_epoch, [batch_size] * cores, chunksize=1)) / cores


def installed(names: Sequence[str]) -> list[str]:
    """Those whose package is there."""
    from importlib.util import find_spec

    return [name for name in names if find_spec(RIVALS[name][0]) is not None]


def picture(seconds: dict[str, dict[str, float]], path: Path) -> None:
    """A point for each contender and batch size."""
    import matplotlib.pyplot as plt
    import pandas as pd
    import seaborn as sns

    rows = [
        {"contender": name, "batch size": size, "seconds": value}
        for size, values in seconds.items()
        for name, value in sorted(values.items(), key=lambda item: -item[1])
    ]
    names = list(dict.fromkeys(row["contender"] for row in rows))
    sns.set_theme(style="whitegrid")
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    sns.scatterplot(
        pd.DataFrame(rows), x="seconds", y="contender", hue="batch size", style="batch size", palette="colorblind",
        s=90, ax=axes,
    )  # fmt: skip
    axes.axhspan(names.index(OURS) - 0.4, names.index(OURS) + 0.4, color="0.92", zorder=0)
    axes.set(xscale="log", ylabel="", xlabel="seconds for one epoch of one run (log scale)")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_title("An epoch of Fashion-MNIST, 784–128–10: this project and what else there is", loc="left")
    figure.savefig(path, dpi=150)
    print(f"drawn to {path}")


def main() -> None:
    """Print a table and ratios, write JSON and a picture."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--quick", action="store_true", help="one round with few runs instead of three with many")
    parser.add_argument("--out", type=Path, default=Path("reports/epoch_cost.json"))
    given = parser.parse_args()
    dataset = fashion_mnist(parser, given.data_dir)
    dataset.share_memory()  # as the engine would later, under the arrays that the others were given
    rivals = installed(list(RIVALS))
    for name in RIVALS:
        if name not in rivals:
            print(f"skipped, as it is not installed: {name}   (pip install '.[bench]')")
    rounds = 1 if given.quick else 3
    seconds: dict[str, dict[str, float]] = {}
    stacks = Stacks(dataset, epochs=1 if given.quick else 5)
    with closing(get_context("spawn").Pool(physical_cores())) as pool, stacks:
        for size in SIZES:
            contenders = {
                "the lesson's own loop": lesson_loop(dataset, size),
                **{name: RIVALS[name][1](dataset, size) for name in rivals},
                "this project, one run": one_run(dataset, size),
                OURS: stacks.epoch(size),
                LIMIT: matmul_backend(pool, size),
            }
            seconds[str(size)] = in_turn(contenders, rounds)
            _show(size, seconds[str(size)])
    write(given.out, {"seconds_of_an_epoch_of_a_run": seconds, "rounds": rounds})
    picture(seconds, given.out.with_suffix(".png"))


def _show(size: int, seconds: dict[str, float]) -> None:
    ours = seconds[OURS]
    print(f"\nbatch {size:<27} seconds   times ours")
    for name, value in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{name:<33} {value:>7.3f} {value / ours:>12.2f}")
    print(f"of the rate of the products alone: {seconds[LIMIT] / ours:.0%}", end="")
    print(f"; {ours / seconds[RIVAL]:.2f} times the time of {RIVAL}" if RIVAL in seconds else "")


if __name__ == "__main__":
    main()
