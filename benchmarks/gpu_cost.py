"""Seconds for 1,000 runs of 10 epochs of Fashion-MNIST on this machine's GPU, the start of the workers included.

The real engine with as many workers as a command has. Skipped where torch sees none. `--quick`: 20 runs of two
epochs; with `--device cpu` it shows that the benchmark itself works.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from bench import fashion_mnist, seconds_of, with_data_dir, write

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.data.dataset import Dataset
from harness.engines.base import Finished, Job
from harness.engines.local import LocalEngine
from harness.engines.machine import find_device, usual_workers
from harness.engines.pool import Pool
from harness.training.stacked.matmul_backend import choose_matmul_backend


def train(dataset: Dataset, device: str, runs: int, epochs: int) -> None:
    """Seeds of the lesson's arm, from no worker to the last epoch's record."""
    settings = LESSON | {"epochs": epochs, "dataset": dataset.name, "split": "lesson"}
    jobs = [Job(str(seed), make_config(**settings, seed=seed)) for seed in range(runs)]
    with closing(LocalEngine(dataset, Pool(usual_workers(device)), device, choose_matmul_backend(device))) as engine:
        results = [event.result.state for event in engine.execute(jobs, None) if isinstance(event, Finished)]
    assert results == ["complete"] * runs


def main() -> None:
    """Print the seconds, write JSON."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--quick", action="store_true", help="20 runs of two epochs")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--out", type=Path, default=Path("reports/gpu_cost.json"))
    given = parser.parse_args()
    try:
        device = find_device(given.device)
    except UserError:
        print("skipped, as torch sees no GPU here: 1,000 runs of 10 epochs on one")
        return
    dataset = fashion_mnist(parser, given.data_dir)
    runs, epochs = (20, 2) if given.quick else (1_000, 10)
    name = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
    seconds = seconds_of(lambda: train(dataset, device, runs, epochs))
    print(f"{runs:,} runs of {epochs} epochs on {name}: {seconds:.1f} s")
    write(given.out, {"device": name, "runs": runs, "epochs": epochs, "seconds": seconds})


if __name__ == "__main__":
    main()
