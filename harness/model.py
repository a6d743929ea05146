"""The lesson's network (§5.3): flatten, in–128–10, no biases, relu, log-softmax; BatchNorm on the input if wished.

Also what the claims compare it with: another width, plain standardisation, BatchNorm after the hidden layer.
"""

import math

import torch
from torch import Tensor, nn

from harness.config import RunConfig
from harness.data import Dataset, split_indices
from harness.seeds import derive


class Standardize(nn.Module):
    """(x − mean) / sd with two fixed numbers: BatchNorm of the input without its batches and its learning."""

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: float, sd: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("sd", torch.tensor(sd))

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.sub_(self.mean).div_(self.sd)


class MLP(nn.Module):
    """Maps uint8 images [batch, height, width] to log-probabilities [batch, classes]."""

    def __init__(self, config: RunConfig, height: int, width: int, classes: int, max_level: int) -> None:
        super().__init__()
        self.max_level = max_level
        # In the order of use; `initial_model` fills in what standardisation needs.
        self.standardize = Standardize(0.0, 1.0) if config.standardize else nn.Identity()
        self.normalize = nn.BatchNorm2d(1) if config.batch_norm else nn.Identity()
        # skip_init leaves torch's global generator alone; `initial_model` draws the weights.
        self.hidden = nn.utils.skip_init(nn.Linear, height * width, config.hidden, bias=False)
        self.normalize_hidden = nn.BatchNorm1d(config.hidden) if config.hidden_batch_norm else nn.Identity()
        self.output = nn.utils.skip_init(nn.Linear, config.hidden, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.unsqueeze(1).to(self.hidden.weight.dtype).div_(self.max_level)
        scaled = self.normalize(self.standardize(pixels))
        activations = torch.relu(self.normalize_hidden(self.hidden(scaled.flatten(1))))
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
    model = MLP(config, dataset.height, dataset.width, len(dataset.classes), dataset.max_level)
    if isinstance(model.standardize, Standardize):
        mean, sd = _pixel_statistics(config, dataset)
        model.standardize.mean.fill_(mean)
        model.standardize.sd.fill_(sd)
    generator = torch.Generator().manual_seed(derive(config.seed, "weights"))
    for layer in (model.hidden, model.output):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return model


def _pixel_statistics(config: RunConfig, dataset: Dataset) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of the images that train, in units of `max_level`."""
    training = split_indices(dataset.train_labels, config.split, config.seed).train
    images = dataset.train_images.cpu().index_select(0, training)
    counts = torch.bincount(images.flatten(), minlength=dataset.max_level + 1).double()
    levels = torch.arange(len(counts), dtype=torch.float64) / dataset.max_level
    mean = (counts @ levels) / counts.sum()
    variance = (counts @ (levels - mean).square()) / counts.sum()
    return mean.item(), variance.sqrt().item()
