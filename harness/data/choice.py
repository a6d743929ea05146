"""The data that the user chooses: a name, or `csv:PATH`. Plain text, so that `--help` loads nothing else."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.core.defaults import Header
from harness.core.errors import UserError
from harness.core.validation import named, suggest

# The examples that a claim trains on.
TRAINING_EXAMPLES = {"fashion-mnist": 60_000, "digits": 1_497, "breast-cancer": 475}
NAMED = ("auto", *TRAINING_EXAMPLES)

_CSV = "csv:"
_MAX_NAME = 60


class DataChoice(NamedTuple):
    """`spec` is one of `NAMED` or `csv:PATH`. Of a CSV file, `target` is the column of labels, "" for the last one,
    `header` says whether its first row holds names, and `ignored` columns are left out.
    """

    spec: str
    target: str = ""
    header: Header = "auto"
    ignored: tuple[str, ...] = ()

    @property
    def path(self) -> Path | None:
        """The CSV file, or None."""
        return Path(os.path.expanduser(self.spec.removeprefix(_CSV))) if self.spec.startswith(_CSV) else None

    @property
    def name(self) -> str:
        """The name in records: for a CSV file, its own name with the characters that are valid in paths and URLs."""
        if self.path is None:
            return self.spec
        return "csv-" + re.sub(r"[^\w.-]", "-", self.path.stem)[:_MAX_NAME]

    def is_same(self, other: "DataChoice") -> bool:
        """Whether both load the same data. A file may have several paths."""
        if self.path is None or other.path is None:
            return self == other
        return self._replace(spec=str(self.path.resolve())) == other._replace(spec=str(other.path.resolve()))

    @property
    def options(self) -> str:
        """The command-line options that choose it."""
        target = f" --target {shlex.quote(self.target)}" if self.target else ""
        header = f" --header {self.header}" if self.header != "auto" else ""
        ignored = "".join(f" --ignore {shlex.quote(column)}" for column in self.ignored)
        return f"--dataset {shlex.quote(self.spec)}{target}{header}{ignored}"

    def check_readable(self, data_dir: Path | None) -> None:
        """Raise `UserError` if the CSV file cannot be opened, or if the data folder is a file. Loads nothing."""
        if self.path is not None:
            try:
                self.path.open("rb").close()
            except OSError as error:
                raise UserError(
                    f"cannot read {self.path} ({error.strerror}); give the path of a CSV file after csv:"
                ) from None
        elif self.spec in ("auto", "fashion-mnist"):
            folder = data_folder(data_dir)
            if folder.exists() and not folder.is_dir():
                raise UserError(f"the data folder {folder} is a file; give a folder with --data-dir")

    def beside(self, folder: Path) -> "DataChoice":
        """The same choice with a path relative to `folder`."""
        return self if self.path is None else self._replace(spec=f"{_CSV}{folder / self.path}")


def data_folder(data_dir: Path | None) -> Path:
    """The folder of Fashion-MNIST: `data_dir`, or that of HARNESS_DATA_DIR, or data."""
    return data_dir or Path(os.environ.get("HARNESS_DATA_DIR") or "data")


def data_choice(
    spec: str, target: str = "", header: Header = "auto", ignored: Sequence[str] | None = None
) -> DataChoice:
    """A validated choice. Raises `UserError` if it is not valid."""
    choice = DataChoice(named(spec, NAMED), target, header, tuple(ignored or ()))
    if choice.path is None and choice.spec not in NAMED:
        raise UserError(
            f"dataset is {spec!r}: {suggest(spec, NAMED)}it should be one of {', '.join(NAMED)}, or csv:PATH"
        )
    if choice.path is not None and spec == _CSV:
        raise UserError("dataset is 'csv:': the path of the file is missing")
    if "\0" in spec:
        raise UserError(f"dataset is {spec!r}: a path cannot contain a null byte")
    if target and choice.path is None:
        raise UserError(f"target is {target!r}: it needs --dataset csv:PATH")
    if header != "auto" and choice.path is None:
        raise UserError(f"header is {header!r}: it needs --dataset csv:PATH")
    if ignored and choice.path is None:
        raise UserError(f"ignore is {ignored[0]!r}: it needs --dataset csv:PATH")
    return choice
