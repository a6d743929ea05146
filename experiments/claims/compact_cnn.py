"""The network of the claim `ninety_nine`: a compact CNN with BatchNorm, of the kind that the lesson calls mature."""

import torch
from torch import Tensor, nn


class CompactCNN(nn.Module):
    """Images [batch, channels, height, width] to logits [batch, classes].

    Three 3 by 3 convolutions, each with BatchNorm (Ioffe, Szegedy 2015), ReLU and max pooling; then a linear layer.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = shape[0]
        for outputs in (width, 2 * width, 4 * width):
            convolution = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
            channels = outputs
        self.features = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # faster on a CPU
        self.classifier = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images.contiguous(memory_format=torch.channels_last)))
        return logits
