"""What memory 1, 2 and 8 workers take while they train stacks of the lesson's network on Fashion-MNIST.

The data lie in shared memory once, whatever the number of workers. Counted is the proportional set size of the command
and its workers together: pages that several processes share count once. `--quick`: 1 and 2 workers.
"""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil
from bench import fashion_mnist, with_data_dir, write

from harness.config import make_config
from harness.data import Dataset
from harness.defaults import LESSON
from harness.engines.base import Epoch, Job
from harness.engines.local import LocalEngine
from harness.engines.pool import Pool


def peak(dataset: Dataset, workers: int) -> float:
    """MiB, the most that was seen at the end of an epoch of any of the workers' runs."""
    settings = LESSON | {"epochs": 2, "dataset": dataset.name, "split": "search"}
    jobs = [Job(str(seed), make_config(**settings, seed=seed)) for seed in range(4 * workers)]
    most = 0.0
    with closing(LocalEngine(dataset, Pool(workers), "cpu")) as engine:
        for event in engine.run(jobs, None):
            if isinstance(event, Epoch):
                most = max(most, _now())
    return most


def _now() -> float:
    here = psutil.Process(os.getpid())
    return sum(process.memory_full_info().pss for process in [here, *here.children(recursive=True)]) / 2**20


def main() -> None:
    """Print the peaks, write JSON."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--quick", action="store_true", help="1 and 2 workers")
    parser.add_argument("--out", type=Path, default=Path("reports/memory_cost.json"))
    given = parser.parse_args()
    dataset = fashion_mnist(parser, given.data_dir)
    data = sum(tensor.nbytes for tensor in (dataset.train_inputs, dataset.test_inputs)) / 2**20
    print(f"the images: {data:.0f} MiB, once")
    peaks = {}
    for workers in (1, 2) if given.quick else (1, 2, 8):
        peaks[str(workers)] = peak(dataset, workers)
        print(f"{workers} workers: {peaks[str(workers)]:,.0f} MiB at the most", flush=True)
    write(given.out, {"images_mib": data, "peak_mib_by_workers": peaks})


if __name__ == "__main__":
    main()
