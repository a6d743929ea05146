"""The domain of one searched parameter: a range of numbers, or choices."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

WHOLE_NUMBERS = ("batch_size", "epochs", "hidden", "warmup_epochs")


class Range(BaseModel):
    """Every number from `low` to `high`, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}: low should be less than high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}: a logarithmic range should start above 0")
        return self

    def text(self) -> str:
        """`0.001 to 1 (log)`."""
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"

    def position(self, value: float) -> float:
        """The position of `value` between low (0) and high (1), on the scale of the range."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return (at - low) / (high - low)


class WholeRange(Range):
    """Every whole number from `low` to `high`, of a hyperparameter whose range names whole numbers."""

    low: int
    high: int


class Choices(BaseModel):
    """One of these values."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    choices: list[bool | int | float | str]

    @model_validator(mode="after")
    def _distinct(self) -> "Choices":
        if not self.choices:
            raise ValueError("choices is []: it should name at least one value")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"choices is {self.choices}: it should not name a value twice")
        return self

    def text(self) -> str:
        """`32, 64, 128`."""
        return ", ".join(map(shown, self.choices))


def is_whole(name: str, domain: Range) -> bool:
    """Whether a range holds whole numbers only."""
    return name in WHOLE_NUMBERS or isinstance(domain, WholeRange)


def ends_of(name: str, domain: Range | Choices) -> list[Any]:
    """Each choice, or both ends of a range."""
    if isinstance(domain, Choices):
        return list(domain.choices)
    ends = [domain.low, domain.high]
    return [int(end) for end in ends] if is_whole(name, domain) else ends


def shown(value: bool | float | str) -> str:
    """`on`, `adam`, `0.5`."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"
