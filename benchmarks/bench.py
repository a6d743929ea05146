"""What the benchmarks share: the data, timing in turn, what machine it was, and where results go."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count

from harness.data.choice import DataChoice
from harness.data.dataset import Dataset
from harness.data.fashion_mnist import is_present
from harness.data.load import load
from harness.tracking.environment import environment
from harness.training.stacked.matmul_backend import choose_matmul_backend

_OTHERS = ("lightning", "skorch", "scikit-learn", "jax", "optuna", "mlflow")


def with_data_dir(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, which asks for the folder of the data too."""
    default = Path(os.environ.get("HARNESS_DATA_DIR") or "data")
    parser.add_argument("--data-dir", type=Path, default=default, help="folder that holds FashionMNIST/raw")
    return parser


def fashion_mnist(parser: argparse.ArgumentParser, data_dir: Path) -> Dataset:
    """The data, or an end in one line where they are not there."""
    if not is_present(data_dir):
        parser.exit(2, f"error: no Fashion-MNIST in {data_dir}; name its folder with --data-dir\n")
    return load(DataChoice("fashion-mnist"), data_dir)


def machine() -> dict[str, Any]:
    """Processor, its instructions and the library of products, cores, versions and date: a figure is worth nothing
    without."""
    found = dict(environment())
    for name in _OTHERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {
        **found,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "products": choose_matmul_backend(),
        "cores": cpu_count(only_physical_cores=True),
        "system": platform.system(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(contenders: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """The median of what each contender returns, each called once a round, so that all meet the same machine."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            taken[name].append(contender())
    return {name: statistics.median(values) for name, values in taken.items()}


def write(path: Path, results: Mapping[str, Any]) -> None:
    """As JSON, with the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")
    print(f"written to {path}")
