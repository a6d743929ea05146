"""The lesson's network (§5.3): flatten, in–128–10, no biases, relu, log-softmax; BatchNorm on the input if wished."""

import math

import torch
from torch import Tensor, nn

from harness.config import RunConfig
from harness.data import Dataset
from harness.seeds import derive

HIDDEN = 128


class MLP(nn.Module):
    """Maps uint8 images [batch, height, width] to log-probabilities [batch, classes]."""

    def __init__(self, height: int, width: int, classes: int, max_level: int, batch_norm: bool) -> None:
        super().__init__()
        self.max_level = max_level
        self.normalize = nn.BatchNorm2d(1) if batch_norm else nn.Identity()
        # skip_init leaves torch's global generator alone; `initial_model` draws the weights.
        self.hidden = nn.utils.skip_init(nn.Linear, height * width, HIDDEN, bias=False)
        self.output = nn.utils.skip_init(nn.Linear, HIDDEN, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.unsqueeze(1).to(self.hidden.weight.dtype).div_(self.max_level)
        activations = torch.relu(self.hidden(self.normalize(pixels).flatten(1)))
        logits: Tensor = self.output(activations)
        return logits.log_softmax(dim=1)


class Classifier(nn.Module):
    """A trained `MLP` for people who have images: uint8 [batch, height, width] to class numbers int64 [batch]."""

    def __init__(self, model: MLP) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, images: Tensor) -> Tensor:
        log_probabilities: Tensor = self.model(images)
        return log_probabilities.argmax(dim=1)


def initial_model(config: RunConfig, dataset: Dataset) -> MLP:
    """The untrained network of a config, on the CPU.

    Weights are torch's own default for a linear layer, uniform in ±1/√in, drawn from (seed, "weights"): runs with the
    same seed start from the same weights, with BatchNorm or without.
    """
    model = MLP(dataset.height, dataset.width, len(dataset.classes), dataset.max_level, config.batch_norm)
    generator = torch.Generator().manual_seed(derive(config.seed, "weights"))
    for layer in (model.hidden, model.output):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return model
