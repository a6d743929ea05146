"""What memory 1, 2 and 8 workers take while they train stacks of the lesson's network on Fashion-MNIST.

The data lie in shared memory once, whatever the number of workers. Counted is the proportional set size of the command
and its workers together: pages that several processes share count once. `--quick`: 1 and 2 workers.
"""

import argparse
import os
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil
from bench import fashion_mnist, with_data_dir, write

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.dataset import Dataset
from harness.engines.base import Job
from harness.engines.local import LocalEngine
from harness.engines.pool import Pool
from harness.training.stacked.matmul_backend import choose_matmul_backend

_SECONDS_BETWEEN_LOOKS = 0.1


def peak(dataset: Dataset, workers: int) -> float:
    """MiB, the most that was seen by looking again and again while they train."""
    settings = LESSON | {"epochs": 2, "dataset": dataset.name, "split": "search"}
    jobs = [Job(str(seed), make_config(**settings, seed=seed)) for seed in range(4 * workers)]
    seen, is_over = [0.0], threading.Event()

    def look() -> None:
        while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
            seen.append(_now())

    looking = threading.Thread(target=look)
    with closing(LocalEngine(dataset, Pool(workers), "cpu", choose_matmul_backend())) as engine:
        looking.start()
        try:
            for _event in engine.execute(jobs, None):
                pass
        finally:
            is_over.set()
            looking.join()
    return max(seen)


def _now() -> float:
    here = psutil.Process(os.getpid())
    total = 0
    for process in [here, *here.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 2**20


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
