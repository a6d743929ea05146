"""What stands in front of every network: inputs as they are in the data, scaled and normalized as a config asks."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from harness.core.config import RunConfig


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


class ScaledInputs(nn.Module):
    """The base of networks: `scaled` gives pixels [batch, 1, height, width] or rows [batch, columns].

    `shape` is that of one input in the data. `max_level` is the grey level that maps to 1.0, None for the rows of a
    table. `initial_model` sets the numbers for scaling and standardization.
    """

    def __init__(self, config: RunConfig, shape: tuple[int, ...], max_level: int | None) -> None:
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

    def scaled(self, inputs: Tensor, dtype: torch.dtype) -> Tensor:
        """The input of the network itself."""
        normalized: Tensor = self.normalize(self.standardize(self.scale(inputs, dtype)))
        return normalized
