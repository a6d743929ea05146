"""A CNN of LeNet's size. Its hyperparameters are searched and compared like any other: width, dropout, norm."""

import torch
from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Images [batch, channels, height, width] to logits [batch, classes]: two convolutions, two linear layers.

    `shape` is that of one image, at least 8 by 8 pixels. With width 6 and 28 by 28 pixels it has 62 thousand weights,
    as LeNet-5 has (LeCun, Bottou, Bengio, Haffner 1998).
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, width: int = 6, dropout: float = 0.0, norm: bool = False
    ) -> None:
        super().__init__()
        norms = [nn.BatchNorm2d(channels) if norm else nn.Identity() for channels in (width, 2 * width)]
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], width, 5, padding=2), norms[0], nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 5, padding=2), norms[1], nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.LazyLinear(84), nn.ReLU(), nn.Dropout(dropout), nn.Linear(84, classes)
        )
        self.features.to(memory_format=torch.channels_last)  # faster convolutions on a CPU

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images.contiguous(memory_format=torch.channels_last)))
        return logits
