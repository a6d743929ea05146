"""What one epoch costs: the lesson's own loop (§5.2–5.4, DataLoader and ToTensor) against `harness.train`.

Both train the lesson's network on the 60,000 Fashion-MNIST images in this one process, in turn, several times; the
ratio is that of the medians. Ours is timed whole, with making the model and gathering the data. `--quick`: once each.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from harness.config import make_config
from harness.data import Dataset
from harness.data_choice import DataChoice
from harness.defaults import LESSON, LESSON_SEED
from harness.fashion_mnist import is_present, raw_folder
from harness.sources import load
from harness.train import train


class LessonModel(nn.Module):
    """The network as the lesson writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(784, 128, bias=False)
        self.output = nn.Linear(128, 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [batch, 10] of images float [batch, 1, 28, 28]."""
        sigma1 = torch.relu(self.linear1(x.view(-1, 784)))
        logits: torch.Tensor = self.output(sigma1)
        return logits.log_softmax(dim=1)


def lesson_epoch(loader: "DataLoader[tuple[torch.Tensor, torch.Tensor]]", lr: float, gamma: float) -> float:
    """Seconds of one epoch of the lesson's `fit`, its running accuracy included, its progress line left out."""
    model = LessonModel()
    criterion = nn.NLLLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=gamma)
    correct = 0
    start = time.perf_counter()
    for x, y in loader:
        sigma = model(x)
        loss = criterion(sigma, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        correct += int((sigma.argmax(dim=1) == y).sum())
    return time.perf_counter() - start


def our_epoch(dataset: Dataset, batch_size: int) -> float:
    """Seconds of one epoch of `harness.train` on the same 60,000 images."""
    setting = LESSON | {"epochs": 1, "batch_size": batch_size}
    config = make_config(**setting, seed=LESSON_SEED, dataset=dataset.name, split="lesson")
    start = time.perf_counter()
    for _ in train(config, dataset):
        pass
    return time.perf_counter() - start


def lesson_dataset(data_dir: Path, folder: str) -> FashionMNIST:
    """The lesson's dataset; torchvision unpacks copies of the files in `folder`, the originals stay as they are."""
    shutil.copytree(raw_folder(data_dir), raw_folder(Path(folder)), copy_function=shutil.copyfile)
    raw_folder(Path(folder)).chmod(0o755)
    return FashionMNIST(folder, train=True, transform=transforms.ToTensor(), download=True)


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
    with tempfile.TemporaryDirectory() as folder:
        lesson_data = lesson_dataset(arguments.data_dir, folder)
        for batch_size in (128, 32):
            loader = DataLoader(lesson_data, batch_size=batch_size, shuffle=True)
            lesson, ours = [], []
            for _ in range(repeats):
                lesson.append(lesson_epoch(loader, LESSON["lr"], LESSON["gamma"]))
                ours.append(our_epoch(dataset, batch_size))
            lesson_s, ours_s = statistics.median(lesson), statistics.median(ours)
            print(f"{batch_size:>5}  {lesson_s:>10.2f}  {ours_s:>11.2f}  {lesson_s / ours_s:>5.1f}")


if __name__ == "__main__":
    main()
