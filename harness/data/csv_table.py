"""Tables of numbers with a class in one column: a CSV file through pandas, or scikit-learn's breast cancer data (§4.3).

A cell that is not a number, or not a class, is refused by row and column, counted as in a spreadsheet. No torch.
"""

import csv
import warnings
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.errors import UserError

_LARGEST = float(np.finfo(np.float32).max) / 2  # so that differences are finite
_NO_LABEL = ("", "nan", "null")
_PLAUSIBLE = 3  # with so few columns, a first row 0, 1, … may be data


class LabelledTable(NamedTuple):
    """`features` float32 [rows, columns], `labels` int64 [rows] (positions in `classes`), the names of both."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    columns: tuple[str, ...]
    classes: tuple[str, ...]


def breast_cancer() -> LabelledTable:
    """scikit-learn's 569 tumours: 30 measures each, malignant or benign."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return LabelledTable(
        data.data.astype(np.float32),
        data.target.astype(np.int64),
        tuple(map(str, data.feature_names)),
        tuple(map(str, data.target_names)),
    )


def read_csv(path: Path, target: str = "") -> LabelledTable:
    """The table in a CSV file. `target` is the column of labels, by default the last one.

    A first row without numbers, or with the target's name, is a header. Labels are words or whole numbers; every other
    column holds numbers. Raises `UserError`, which names row and column, if the file is not such a table.
    """
    first = [cell.strip() for cell in _first_row(path)]
    has_header = (target != "" and target in first) or not any(map(_is_number, first))
    names = first if has_header else [f"column {n + 1}" for n in range(len(first))]
    if not has_header and len(first) > _PLAUSIBLE and first[:-1] == [str(n) for n in range(len(first) - 1)]:
        raise UserError(
            f"{path}: its first row is 0, 1, 2, …, as pandas numbers columns that have no names; write names instead,"
            " or leave that row out (header=False)"
        )
    if not names:
        raise UserError(f"{path} is empty")
    if len(names) < 2:
        raise UserError(f"{path} has one column: it should have features and a label, separated by commas")
    if "" in names:
        raise UserError(
            f"{path}: column {names.index('') + 1} has no name; if it holds row numbers, which say nothing, leave it"
            " out (pandas: index=False), else name it"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{path}: two columns are called {twice!r}; give each a name of its own")
    label = _label_column(path, names, target, has_header)
    frame = _read(path, names, label, has_header)
    file = _File(path, has_header, len(names), may_be_target=has_header and not target)
    features = np.empty((len(frame), len(names) - 1), dtype=np.float32)
    columns = [name for name in names if name != label]
    for position, name in enumerate(columns):
        features[:, position] = _numbers(file, frame[name])
    labels, classes = _classes(file, frame[label])
    return LabelledTable(features, labels, tuple(columns), classes)


class _File(NamedTuple):
    """A CSV file, to report the place of a cell."""

    path: Path
    has_header: bool
    width: int
    may_be_target: bool

    def place(self, position: int, column: object) -> str:
        """The place of the data row at `position` (from 0) in a spreadsheet, blank rows included.

        Raises `UserError` if that row is too short, because then the fault is not the cell.
        """
        with self.path.open(newline="", encoding="utf-8-sig") as text:
            lines = enumerate(csv.reader(text, skipinitialspace=True), start=1)
            rows = ((number, len(row)) for number, row in lines if not _is_blank(row))
            try:
                row, width = next(islice(rows, position + self.has_header, None), (0, self.width))
            except csv.Error:  # a cell that is too long for it, but not for pandas
                row, width = 0, self.width
        where = f"row {row}" if row else f"data row {position + 1}"
        if width < self.width:
            raise UserError(f"{self.path}, {where} has {width} values: it should have {self.width}, one per column")
        return f"{self.path}, {where}, column {column!r}"


def _is_blank(row: list[str]) -> bool:
    """Whether pandas skips this row; it keeps a row of several empty cells."""
    return not row or (len(row) == 1 and not row[0].strip(" \t"))


def _first_row(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next((row for row in csv.reader(file, skipinitialspace=True) if not _is_blank(row)), [])
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); give the path of a CSV file after csv:") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file ({error})") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_column(path: Path, names: list[str], target: str, has_header: bool) -> str:
    if not target:
        return names[-1]
    if not has_header:
        raise UserError(
            f"target is {target!r}, but {path} has no header: its first row holds numbers; without a target the last"
            " column is the label"
        )
    if target not in names:
        raise UserError(f"target is {target!r}: the columns of {path} are {_some(names)}")
    return target


def _read(path: Path, names: list[str], label: str, has_header: bool) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                names=names,
                header=0 if has_header else None,
                index_col=False,
                dtype={label: str},
                keep_default_na=False,
                na_values=[""],
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
            )
    except pd.errors.ParserWarning:
        raise UserError(f"{path} is no whole table: rows have more values than the {len(names)} columns") from None
    except pd.errors.ParserError as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise UserError(f"{path} is no whole table: {reason}; each row should have {len(names)} values") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as CSV in UTF-8") from None
    if frame.empty:
        raise UserError(f"{path} has no rows of data")
    return frame


def _numbers(file: _File, column: "pd.Series[Any]") -> NDArray[np.float64]:
    """The values of one column. Raises `UserError` at the first cell that is empty, not a number or too large."""
    is_bool = column.dtype == bool  # pandas converts True and False to 1 and 0
    if column.dtype == object:  # integers beyond 64 bits, which may not fit in a float
        column = column.map(lambda cell: str(cell) if type(cell) is int else cell)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~(np.abs(values) <= _LARGEST) | is_bool  # NaN is wrong too
    if wrong.any():
        position = int(wrong.argmax())
        cell = column.iloc[position]
        found = "empty" if pd.isna(cell) else repr(cell) if isinstance(cell, str) else f"{cell}"
        names = "" if file.has_header or position else "; if row 1 holds names, let none of them be a number"
        if file.may_be_target and isinstance(cell, str):
            names = "; if these are the labels, name the column as the target"
        raise UserError(
            f"{file.place(position, column.name)} is {found}: it should be a number up to {_LARGEST:.1e} in size; fill"
            f" it in, or leave the row or the column out{names}"
        )
    return values


def _classes(file: _File, column: "pd.Series[Any]") -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Each label's position among the classes: numbers in numerical order, words in alphabetical order."""
    text = column.str.strip()
    missing = text.isna() | text.str.lower().isin(_NO_LABEL)
    if missing.any():
        position = int(missing.to_numpy().argmax())
        cell = column.iloc[position]
        found = "empty" if pd.isna(cell) or not cell.strip() else repr(cell)
        raise UserError(f"{file.place(position, column.name)} is {found}: it should be a label")
    if all(map(_is_number, text.unique())):
        numbers = text.astype(float)
        if (broken := numbers != numbers.round()).any():
            raise UserError(
                f"{file.place(int(broken.to_numpy().argmax()), column.name)} is {text[broken].iloc[0]}: labels should"
                " be words or whole numbers; name another column as the target"
            )
        codes, found_numbers = pd.factorize(numbers, sort=True)
        words = [f"{number:.0f}" for number in found_numbers]
    else:
        codes, found_words = pd.factorize(text, sort=True)
        words = [str(word) for word in found_words]
    if len(words) < 2:
        raise UserError(
            f"{file.path}, column {column.name!r} holds {words[0]!r} only: there should be two classes or more"
        )
    return codes.astype(np.int64), tuple(words)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown}, … ({len(names)} in all)"
