"""The lesson's network (§5.3): flatten, in–128–10 without biases, relu, log-softmax, and optional BatchNorm.

The claims compare it with other widths, plain standardization, and BatchNorm after the hidden layer.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from harness.core.config import RunConfig
from harness.core.seeds import derive
from harness.data.dataset import Dataset, split_indices

_EXAMPLES_AT_A_TIME = 60_000


class GreyLevels(nn.Module):
    """uint8 images [batch, height, width] to pixels [batch, 1, height, width] in 0…1, as `ToTensor` does."""

    def __init__(self, max_level: int) -> None:
        super().__init__()
        self.max_level = max_level

    def forward(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        return images.unsqueeze(1).to(dtype).div_(self.max_level)


class UnitRange(nn.Module):
    """Rows [batch, columns] to (x − least) / (greatest − least), column by column.

    A column that is constant in the training rows becomes 0 everywhere, because nothing was learned about it.
    """

    least: Tensor
    span: Tensor

    def __init__(self, least: Tensor, greatest: Tensor) -> None:
        super().__init__()
        self.register_buffer("least", least)
        self.register_buffer("span", torch.where(greatest == least, torch.inf, greatest - least))

    @classmethod
    def fitted(cls, parts: Iterable[Tensor]) -> "UnitRange":
        """Fit to the training rows, which come in parts."""
        least, greatest = zip(*(part.aminmax(dim=0) for part in parts), strict=True)
        return cls(torch.stack(least).amin(dim=0), torch.stack(greatest).amax(dim=0))

    def forward(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        wide = rows.to(torch.promote_types(rows.dtype, dtype))
        return (wide - self.least).div_(self.span).to(dtype)


class Standardize(nn.Module):
    """(x − mean) / sd with fixed numbers per channel: what BatchNorm does to the input, without batches or learning."""

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Tensor, sd: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd)

    def forward(self, scaled: Tensor) -> Tensor:
        return scaled.sub_(self.mean).div_(self.sd)


class ColumnNorm(nn.BatchNorm1d):
    """BatchNorm of columns. A batch of one row, which has no variance, uses the running statistics."""

    def forward(self, rows: Tensor) -> Tensor:
        if self.training and len(rows) == 1:
            return batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(rows)


class MLP(nn.Module):
    """Images uint8 [batch, height, width], or rows [batch, columns], to log-probabilities [batch, classes].

    `shape` is that of one input. `max_level` is the grey level that maps to 1.0, None for the rows of a table.
    `initial_model` sets the numbers for scaling and standardization.
    """

    def __init__(self, config: RunConfig, shape: tuple[int, ...], classes: int, max_level: int | None) -> None:
        super().__init__()
        table = max_level is None
        channels = shape if table else ()
        self.scale = UnitRange(torch.zeros(shape), torch.ones(shape)) if max_level is None else GreyLevels(max_level)
        self.standardize: nn.Module = nn.Identity()
        if config.standardize:
            self.standardize = Standardize(torch.zeros(channels), torch.ones(channels))
        self.normalize: nn.Module = nn.Identity()
        if config.batch_norm:
            self.normalize = ColumnNorm(shape[0]) if table else nn.BatchNorm2d(1)
        self.hidden = _linear(math.prod(shape), config.hidden)
        self.normalize_hidden = ColumnNorm(config.hidden) if config.hidden_batch_norm else nn.Identity()
        self.output = _linear(config.hidden, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        scaled = self.normalize(self.standardize(self.scale(inputs, self.hidden.weight.dtype)))
        activations = torch.relu(self.normalize_hidden(self.hidden(scaled.flatten(1))))
        logits: Tensor = self.output(activations)
        return logits.log_softmax(dim=1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer with uninitialized weights, so that torch's global generator is not used; `initial_model` draws them.

    `nn.utils.skip_init` does the same, but imports SymPy, which takes half a second in every worker.
    """
    layer = nn.Linear(inputs, outputs, bias=False, device="meta")
    layer.weight = nn.Parameter(torch.empty(outputs, inputs))
    return layer


class Classifier(nn.Module):
    """A trained `MLP` for deployment: the same inputs to class numbers int64 [batch]."""

    def __init__(self, model: MLP) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        log_probabilities: Tensor = self.model(inputs)
        return log_probabilities.argmax(dim=1)


def initial_model(config: RunConfig, dataset: Dataset) -> MLP:
    """The untrained network of a config, on the CPU.

    Weights follow torch's default for a linear layer, uniform in ±1/√in, drawn from (seed, "weights"): runs with the
    same seed start from the same weights, with or without BatchNorm. Scaling and standardization use the training
    examples only.
    """
    model = MLP(config, dataset.shape, len(dataset.classes), dataset.max_level)
    if isinstance(model.scale, UnitRange):
        model.scale = UnitRange.fitted(_training_parts(config, dataset))
    if isinstance(model.standardize, Standardize):
        if isinstance(model.scale, UnitRange):
            mean, sd = _column_statistics(_training_parts(config, dataset), model.scale)
        else:
            mean, sd = _pixel_statistics(config, dataset)
        model.standardize.mean.copy_(mean)
        model.standardize.sd.copy_(torch.where(sd == 0, 1.0, sd))
    generator = torch.Generator().manual_seed(derive(config.seed, "weights"))
    for layer in (model.hidden, model.output):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return model


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
