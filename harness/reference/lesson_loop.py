"""§5 as the lesson writes it: its loader, its network, its `fit`. The reference that the faster `train` is held to.

Everything random comes from torch's global generator, as in the lesson: seed it before the network is made.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import ToTensor

from harness.data.dataset import Dataset
from harness.training.inputs import ColumnNorm, UnitRange

HIDDEN = 128


class Step(NamedTuple):
    """Where `fit` is after one update.

    `samples` of `total` were trained on so far, all epochs together; `loss` is that of the batch (nats), `accuracy` the
    lesson's: of all samples so far, each judged by the weights of its own update (a fraction of 1).
    """

    epoch: int
    batch: int
    samples: int
    total: int
    loss: float
    accuracy: float


class LessonModel(nn.Module):
    """784–128–10 without biases, relu, log-softmax (§5.3); with the BatchNorm that the lesson has in a comment or not.

    Takes float [batch, 1, height, width] from 0 to 1, or the rows of a table, [batch, columns].
    """

    def __init__(self, shape: tuple[int, ...], classes: int, batch_norm: bool = False) -> None:
        super().__init__()
        self.inputs = torch.Size(shape).numel()
        normalize = ColumnNorm(self.inputs) if len(shape) == 1 else nn.BatchNorm2d(1)
        self.normalize = normalize if batch_norm else nn.Identity()
        self.linear1 = nn.Linear(self.inputs, HIDDEN, bias=False)
        self.output = nn.Linear(HIDDEN, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.normalize(x).view(-1, self.inputs)
        logits: Tensor = self.output(torch.relu(self.linear1(x)))
        return logits.log_softmax(dim=1)


class LessonImages(TorchDataset[tuple[Tensor, int]]):
    """Images one by one, as torchvision's `FashionMNIST` with `ToTensor` hands them out: by way of PIL, 0 to 1."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images, labels
        self._transform = ToTensor()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image: Tensor = self._transform(Image.fromarray(self._images[index].numpy()))
        return image, int(self._labels[index])


def samples(dataset: Dataset, inputs: Tensor, labels: Tensor) -> TorchDataset[Any]:
    """A part of a dataset as the lesson would have it: §5.1 for grey levels to 255, else §4.3's `TensorDataset`.

    Other images are divided by their greatest level; a table's columns are scaled to 0…1 by its training part.
    """
    if dataset.max_level == 255:
        return LessonImages(inputs, labels)
    if dataset.max_level is not None:
        return TensorDataset(inputs.unsqueeze(1) / dataset.max_level, labels)
    return TensorDataset(UnitRange.fitted([dataset.train_inputs])(inputs, torch.float32), labels)


def fit(net: nn.Module, batchdata: "DataLoader[Any]", lr: float, epochs: int, gamma: float) -> Iterator[Step]:
    """Train as §5.4 does, and say after each update where it is; the lesson prints some of these."""
    criterion = nn.NLLLoss()
    optimizer = optim.SGD(net.parameters(), lr=lr, momentum=gamma)
    total = epochs * len(batchdata.dataset)  # type: ignore[arg-type]
    correct = seen = 0
    for epoch in range(1, epochs + 1):
        net.train()
        for batch, (x, y) in enumerate(batchdata, start=1):
            sigma = net(x)
            loss = criterion(sigma, y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            correct += int((sigma.argmax(dim=1) == y).sum())
            seen += len(y)
            yield Step(epoch, batch, seen, total, loss.item(), correct / seen)


def accuracy(net: nn.Module, batchdata: "DataLoader[Any]") -> float:
    """The share of samples that a trained network classes correctly."""
    net.eval()
    with torch.no_grad():
        correct = [(net(x).argmax(dim=1) == y).double() for x, y in batchdata]
    return torch.cat(correct).mean().item()
