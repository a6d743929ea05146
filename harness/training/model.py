"""The lesson's network (§5.3): flatten, in–128–10, no biases, relu, log-softmax; BatchNorm on the input if wished.

Also what the claims compare it with: another width, plain standardisation, BatchNorm after the hidden layer.
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
    """uint8 images [batch, height, width] to pixels [batch, 1, height, width] from 0 to 1, as `ToTensor` does."""

    def __init__(self, max_level: int) -> None:
        super().__init__()
        self.max_level = max_level

    def forward(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        return images.unsqueeze(1).to(dtype).div_(self.max_level)


class UnitRange(nn.Module):
    """Rows [batch, columns] to (x − least) / (greatest − least), column by column: for a table what grey levels are.

    A column that is constant where the network trains becomes 0 everywhere: nothing was learned about it.
    """

    least: Tensor
    span: Tensor

    def __init__(self, least: Tensor, greatest: Tensor) -> None:
        super().__init__()
        self.register_buffer("least", least)
        self.register_buffer("span", torch.where(greatest == least, torch.inf, greatest - least))

    @classmethod
    def fitted(cls, parts: Iterable[Tensor]) -> "UnitRange":
        """To the rows that train, handed over some at a time."""
        least, greatest = zip(*(part.aminmax(dim=0) for part in parts), strict=True)
        return cls(torch.stack(least).amin(dim=0), torch.stack(greatest).amax(dim=0))

    def forward(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        return (rows.to(dtype) - self.least).div_(self.span)


class Standardize(nn.Module):
    """(x − mean) / sd with fixed numbers, one pair a channel: BatchNorm of the input without batches and learning."""

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Tensor, sd: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd)

    def forward(self, scaled: Tensor) -> Tensor:
        return scaled.sub_(self.mean).div_(self.sd)


class ColumnNorm(nn.BatchNorm1d):
    """BatchNorm of columns that bears a batch of one row, which has no spread: that one uses the running statistics."""

    def forward(self, rows: Tensor) -> Tensor:
        if self.training and len(rows) == 1:
            return batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(rows)


class MLP(nn.Module):
    """Images uint8 [batch, height, width], or rows float32 [batch, columns], to log-probabilities [batch, classes].

    `shape` is that of one input, `max_level` the grey level that stands for 1.0, None for the rows of a table. What
    scaling and standardisation need is filled in by `initial_model`.
    """

    def __init__(self, config: RunConfig, shape: tuple[int, ...], classes: int, max_level: int | None) -> None:
        super().__init__()
        table = max_level is None
        channels = shape if table else ()
        # In the order of use.
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
    """Without weights, which `initial_model` draws: torch's global generator is left alone.

    `nn.utils.skip_init` does the same, but imports SymPy for it, which takes half a second in every worker.
    """
    layer = nn.Linear(inputs, outputs, bias=False, device="meta")
    layer.weight = nn.Parameter(torch.empty(outputs, inputs))
    return layer


class Classifier(nn.Module):
    """A trained `MLP` for people who have images or rows: the same inputs to class numbers int64 [batch]."""

    def __init__(self, model: MLP) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        log_probabilities: Tensor = self.model(inputs)
        return log_probabilities.argmax(dim=1)


def initial_model(config: RunConfig, dataset: Dataset) -> MLP:
    """The untrained network of a config, on the CPU.

    Weights are torch's own default for a linear layer, uniform in ±1/√in, drawn from (seed, "weights"): runs with the
    same seed start from the same weights, with BatchNorm or without. What scales a table, and what standardises, is
    taken from the examples that train, and from no other.
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
    """The inputs that train, some at a time: a large table should not lie in memory twice."""
    indices = split_indices(dataset.train_labels, config.split, config.seed).train
    for some in indices.to(dataset.train_inputs.device).split(_EXAMPLES_AT_A_TIME):
        yield dataset.train_inputs.index_select(0, some).cpu()


def _pixel_statistics(config: RunConfig, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over all pixels of the images that train, in units of `max_level`."""
    indices = split_indices(dataset.train_labels, config.split, config.seed).train
    total, squares = (int(sums.cpu()[indices].sum()) for sums in dataset.pixel_sums)
    level, pixels = dataset.max_level or 1, len(indices) * math.prod(dataset.shape)
    variance = (pixels * squares - total**2) / (pixels * level) ** 2  # of whole numbers: exactly 0 where all are equal
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
