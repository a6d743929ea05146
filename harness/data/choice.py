"""Which data a person asks for: a name, or `csv:PATH`. Plain text, so that `--help` loads nothing else."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from harness.core.errors import UserError

NAMED = ("auto", "fashion-mnist", "digits", "breast-cancer")

_CSV = "csv:"
_LONGEST_NAME = 60


class DataChoice(NamedTuple):
    """`wish` is one of `NAMED` or `csv:PATH`; `target` names the column of labels of a CSV file, "" for the last."""

    wish: str
    target: str = ""

    @property
    def path(self) -> Path | None:
        """The CSV file, where that is the wish."""
        return Path(self.wish.removeprefix(_CSV)) if self.wish.startswith(_CSV) else None

    @property
    def name(self) -> str:
        """What records call it: a CSV file by its own name, in letters that no folder or address minds."""
        if self.path is None:
            return self.wish
        return "csv-" + re.sub(r"[^\w.-]", "-", self.path.stem)[:_LONGEST_NAME]

    def is_same(self, other: "DataChoice") -> bool:
        """Whether both load the same: a file has many paths."""
        if self.path is None or other.path is None:
            return self == other
        return (self.path.resolve(), self.target) == (other.path.resolve(), other.target)

    @property
    def options(self) -> str:
        """What chooses it on a command line."""
        return f"--dataset {shlex.quote(self.wish)}" + (f" --target {shlex.quote(self.target)}" if self.target else "")

    def beside(self, folder: Path) -> "DataChoice":
        """The same with a path that was meant from `folder`."""
        return self if self.path is None else self._replace(wish=f"{_CSV}{folder / self.path}")


def data_choice(wish: str, target: str = "") -> DataChoice:
    """A checked choice. Raises `UserError` where there is no such data to choose."""
    choice = DataChoice(wish, target)
    if choice.path is None and wish not in NAMED:
        raise UserError(f"dataset is {wish!r}: it should be one of {', '.join(NAMED)}, or csv:PATH")
    if choice.path is not None and wish == _CSV:
        raise UserError("dataset is 'csv:': the path of the file is missing")
    if "\0" in wish:
        raise UserError(f"dataset is {wish!r}: no path has a null byte in it")
    if target and choice.path is None:
        raise UserError(f"target is {target!r}: only the dataset csv:PATH has columns to choose from")
    return choice
