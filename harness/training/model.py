"""The lesson's network (§5.3): flatten, in–128–10 without biases, relu, log-softmax, and optional BatchNorm.

The claims compare it with other widths, plain standardization, and BatchNorm after the hidden layer. A network of the
user's own, which takes its place, is in `custom.py`.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from harness.core.config import RunConfig
from harness.core.seeds import derive
from harness.data.dataset import Dataset, split_indices
from harness.training.custom import CustomModel
from harness.training.inputs import ColumnNorm, ScaledInputs, Standardize, UnitRange

_EXAMPLES_AT_A_TIME = 60_000


class MLP(ScaledInputs):
    """Images uint8 [batch, height, width], or rows [batch, columns], to log-probabilities [batch, classes].

    `shape` is that of one input. `max_level` is the grey level that maps to 1.0, None for the rows of a table.
    """

    def __init__(self, config: RunConfig, shape: tuple[int, ...], classes: int, max_level: int | None) -> None:
        super().__init__(config, shape, max_level)
        self.hidden = _linear(math.prod(shape), config.hidden)
        self.normalize_hidden = ColumnNorm(config.hidden) if config.hidden_batch_norm else nn.Identity()
        self.output = _linear(config.hidden, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        scaled = self.scaled(inputs, self.hidden.weight.dtype)
        activations = torch.relu(self.normalize_hidden(self.hidden(scaled.flatten(1))))
        logits: Tensor = self.output(activations)
        return logits.log_softmax(dim=1)


Model = MLP | CustomModel


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer with uninitialized weights, so that torch's global generator is not used; `initial_model` draws them.

    `nn.utils.skip_init` does the same, but imports SymPy, which takes half a second in every worker.
    """
    layer = nn.Linear(inputs, outputs, bias=False, device="meta")
    layer.weight = nn.Parameter(torch.empty(outputs, inputs))
    return layer


class Classifier(nn.Module):
    """A trained model for deployment: the same inputs to class numbers int64 [batch]."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        log_probabilities: Tensor = self.model(inputs)
        return log_probabilities.argmax(dim=1)


def initial_model(config: RunConfig, dataset: Dataset) -> Model:
    """The untrained model of a config, on the CPU.

    Weights of the lesson's network follow torch's default for a linear layer, uniform in ±1/√in; a network of the
    user's own initializes itself. Both draw from (seed, "weights"): runs with the same seed start from the same
    weights, with or without BatchNorm. Scaling and standardization use the training examples only.
    """
    if config.network is None:
        return initial_mlp(config, dataset)
    custom = CustomModel(config, dataset.shape, len(dataset.classes), dataset.max_level)
    _fit_scaling(custom, config, dataset)
    custom.build(dataset.train_inputs[:1].cpu(), derive(config.seed, "weights"))
    return custom


def initial_mlp(config: RunConfig, dataset: Dataset) -> MLP:
    """The untrained network of the lesson, as `initial_model` gives it for a config without a network."""
    model = MLP(config, dataset.shape, len(dataset.classes), dataset.max_level)
    _fit_scaling(model, config, dataset)
    generator = torch.Generator().manual_seed(derive(config.seed, "weights"))
    for layer in (model.hidden, model.output):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return model


def _fit_scaling(model: ScaledInputs, config: RunConfig, dataset: Dataset) -> None:
    if isinstance(model.scale, UnitRange):
        model.scale = UnitRange.fitted(_training_parts(config, dataset))
    if isinstance(model.standardize, Standardize):
        if isinstance(model.scale, UnitRange):
            mean, sd = _column_statistics(_training_parts(config, dataset), model.scale)
        else:
            mean, sd = _pixel_statistics(config, dataset)
        model.standardize.mean.copy_(mean)
        model.standardize.sd.copy_(torch.where(sd == 0, 1.0, sd))


def _training_parts(config: RunConfig, dataset: Dataset) -> Iterator[Tensor]:
    """The training inputs in parts, so that a large table is not in memory twice."""
    indices = split_indices(dataset.train_labels, config.split, config.seed).train
    for some in indices.to(dataset.train_inputs.device).split(_EXAMPLES_AT_A_TIME):
        yield dataset.train_inputs.index_select(0, some).cpu()


def _pixel_statistics(config: RunConfig, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over all pixels of the training images, in units of `max_level`."""
    indices = split_indices(dataset.train_labels, config.split, config.seed).train
    total, squares = (int(sums.cpu()[indices].sum()) for sums in dataset.pixel_sums)
    level, pixels = dataset.max_level or 1, len(indices) * math.prod(dataset.shape)
    variance = (pixels * squares - total**2) / (pixels * level) ** 2  # in integers, so exactly 0 if all are equal
    return torch.tensor(total / (pixels * level)), torch.tensor(math.sqrt(variance))


def _column_statistics(parts: Iterator[Tensor], scale: UnitRange) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column of a table, in units of its range."""
    count, total, squares = 0, torch.zeros(len(scale.span)).double(), torch.zeros(len(scale.span)).double()
    for rows in parts:
        scaled = scale(rows, torch.float64)
        count += len(rows)
        total += scaled.sum(dim=0)
        squares += scaled.square().sum(dim=0)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0).sqrt()
