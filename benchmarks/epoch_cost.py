"""What one epoch costs: the lesson's own loop (§5.2–5.4, DataLoader and ToTensor) against `harness.train`.

Both train the lesson's network on the 60,000 Fashion-MNIST images in this one process, in turn, several times; the
ratio is that of the medians. Ours is timed whole, with making the model and gathering the data. `--quick`: once each.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from torch.utils.data import DataLoader

from harness.config import make_config
from harness.data import Dataset
from harness.data_choice import DataChoice
from harness.defaults import LESSON, LESSON_SEED
from harness.fashion_mnist import is_present
from harness.lesson_loop import LessonModel, fit, samples
from harness.sources import load
from harness.train import train


def lesson_epoch(loader: "DataLoader[Any]", dataset: Dataset) -> float:
    """Seconds of one epoch of the lesson's `fit`, its running accuracy included, its progress line left out."""
    net = LessonModel(dataset.shape, len(dataset.classes))
    start = time.perf_counter()
    for _ in fit(net, loader, LESSON["lr"], epochs=1, gamma=LESSON["gamma"]):
        pass
    return time.perf_counter() - start


def our_epoch(dataset: Dataset, batch_size: int) -> float:
    """Seconds of one epoch of `harness.train` on the same 60,000 images."""
    setting = LESSON | {"epochs": 1, "batch_size": batch_size}
    config = make_config(**setting, seed=LESSON_SEED, dataset=dataset.name, split="lesson")
    start = time.perf_counter()
    for _ in train(config, dataset):
        pass
    return time.perf_counter() - start


def main() -> None:
    """Print both costs and their ratio for two batch sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch each instead of five")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("HARNESS_DATA_DIR") or "data"))
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else 5
    if not is_present(arguments.data_dir):
        parser.exit(2, f"error: no Fashion-MNIST in {arguments.data_dir}; name its folder with --data-dir\n")
    dataset = load(DataChoice("fashion-mnist"), arguments.data_dir)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, {repeats} epochs each")
    print(f"{'batch':>5}  {'lesson (s)':>10}  {'harness (s)':>11}  {'ratio':>5}")
    images = samples(dataset, dataset.train_inputs, dataset.train_labels)
    for batch_size in (128, 32):
        loader = DataLoader(images, batch_size=batch_size, shuffle=True)
        lesson, ours = [], []
        for _ in range(repeats):
            lesson.append(lesson_epoch(loader, dataset))
            ours.append(our_epoch(dataset, batch_size))
        lesson_s, ours_s = statistics.median(lesson), statistics.median(ours)
        print(f"{batch_size:>5}  {lesson_s:>10.2f}  {ours_s:>11.2f}  {lesson_s / ours_s:>5.1f}")


if __name__ == "__main__":
    main()
