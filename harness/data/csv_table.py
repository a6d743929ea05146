"""Tables of numbers with a class in one column: a CSV file through pandas, or scikit-learn's breast cancer data (§4.3).

A cell that is not a number, or not a class, is refused by row and column, counted as in a spreadsheet. No torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.defaults import Header
from harness.core.errors import UserError
from harness.core.validation import suggest
from harness.data.csv_file import DECIMAL_COMMA, SEPARATORS, CsvFile, open_csv
from harness.data.header import holds_names, is_number
from harness.data.labels import classes_in, first_fraction

_LARGEST = float(np.finfo(np.float32).max) / 2  # so that differences are finite
_NO_LABEL = ("", "nan", "null")
_PLAUSIBLE = 3  # with so few columns, a first row 0, 1, … may be data
_LEVELS = 2**16  # of float32 across the range of a column; with fewer, the table is kept in float64


class LabelledTable(NamedTuple):
    """`features` [rows, columns], `labels` int64 [rows] (positions in `classes`), the names of both.

    Features are float32, or float64 if float32 would not tell the values of some column apart. `reading` says what was
    taken for names and labels; `notes` is what else the user should know.
    """

    features: NDArray[np.floating[Any]]
    labels: NDArray[np.int64]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    reading: str = ""
    notes: tuple[str, ...] = ()


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


def read_csv(path: Path, target: str = "", header: Header = "auto", ignored: Sequence[str] = ()) -> LabelledTable:
    """The table in a CSV file. `target` is the column of labels, by default the last one. `ignored` are left out.

    `header`: whether the first row holds names; "auto" decides by whole columns (see `header.py`). Without names,
    columns are called "column 1", …, and `target` and `ignored` may be such names or their numbers. Labels are words or
    whole numbers; every other column holds numbers. Raises `UserError`, which names row and column, if the file is not
    such a table.
    """
    file = open_csv(path)
    has_header = _has_header(file, target, header, ignored)
    names = file.first if has_header else _numbered(file)
    left_out = [_column(file, name, has_header, "ignore") for name in ignored]
    label = _column(file, target, has_header, "target") if target else _last(names, left_out)
    if label in left_out:
        raise UserError(f"ignore is {label!r}: that is the target of {file.path}")
    if has_header:
        _check_names(file)
    frame = file.rows(names, label, has_header)
    source = _Source(file, has_header, may_be_target=has_header and not target)
    columns = [name for name in names if name != label and name not in left_out]
    if not columns:
        raise UserError(f"{file.path}: no column is left to be a feature")
    features, notes = _features(source, frame[columns])
    labels, classes = _classes(source, frame[label])
    what = f"row {file.skipped + 1} holds the names" if has_header else "no row of names"
    what = what if file.separator == "," else f"separated by {SEPARATORS[file.separator]}; {what}"
    reading = f"{path.name}: {what}; the label is {label!r}, the features are {_some(columns)}"
    reading += f"; ignored: {_some(left_out)}" if left_out else ""
    return LabelledTable(features, labels, tuple(columns), classes, reading, notes)


def _has_header(file: CsvFile, target: str, header: Header, ignored: Sequence[str]) -> bool:
    if header != "auto":
        return header == "yes"
    if not any(map(is_number, file.first)):  # a row of data holds a number
        return True
    if any(name in file.first and not is_number(name) for name in (target, *ignored)):
        return True
    numbered = _numbered(file)
    by_name = dict(zip(file.first, numbered, strict=True))  # the first row may hold numbers as names
    left_out = [_position(name, numbered) or by_name.get(name, "") for name in ignored]
    label = _position(target, numbered) or _last(numbered, left_out)
    if holds_names(file.rows(numbered, label, has_header=False), label):
        return True
    counted = [str(n) for n in range(len(file.first) - 1)]
    if len(file.first) > _PLAUSIBLE and file.first[:-1] == counted:
        raise UserError(
            f"{file.path}: its first row is 0, 1, 2, …, as pandas numbers columns that have no names; write names"
            " instead, leave that row out (header=False), or say what it is with --header"
        )
    return False


def _numbered(file: CsvFile) -> list[str]:
    """The names of columns that have none."""
    return [f"column {n + 1}" for n in range(len(file.first))]


def _position(target: str, numbered: list[str]) -> str | None:
    """The column that a target means in a file without names: `column 5`, or `5`."""
    return next((name for name in numbered if target in (name, name.removeprefix("column "))), None)


def _last(names: list[str], left_out: list[str]) -> str:
    """The last column that is not left out; the last one if all are."""
    return next((name for name in reversed(names) if name not in left_out), names[-1])


def _column(file: CsvFile, name: str, has_header: bool, option: str) -> str:
    """The column that an option ("target") names. Raises `UserError` if there is none."""
    names = file.first if has_header else _numbered(file)
    if has_header:
        if name not in names:
            raise UserError(
                f"{option} is {name!r}: {suggest(name, names)}the columns of {file.path} are {_some(names)}"
            )
        return name
    if found := _position(name, names):
        return found
    raise UserError(
        f"{option} is {name!r}, but {file.path} has no header: its first row holds numbers; without names the columns"
        f" are {names[0]!r} to {names[-1]!r}"
    )


def _check_names(file: CsvFile) -> None:
    names = file.first
    if "" in names:
        raise UserError(
            f"{file.path}: column {names.index('') + 1} has no name; if it holds row numbers, which say nothing, leave"
            " it out (pandas: index=False), else name it"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{file.path}: two columns are called {twice!r}; give each a name of its own")


class _Source(NamedTuple):
    """What a message about a cell needs. `may_be_target`: a column of words may hold the labels."""

    file: CsvFile
    has_header: bool
    may_be_target: bool

    def place(self, position: int, name: object) -> str:
        return self.file.place(position, name, self.has_header)


def _features(source: _Source, frame: pd.DataFrame) -> tuple[NDArray[np.floating[Any]], tuple[str, ...]]:
    """The features [rows, columns], and a note for each column whose values scaling will merge."""
    features: NDArray[np.floating[Any]] = np.empty(frame.shape, dtype=np.float32)
    needs_double, notes = False, []
    for position, name in enumerate(frame.columns):
        values = _numbers(source, frame[name])
        features[:, position] = values
        least, span = values.min(), np.ptp(values)
        is_coarse = bool(np.spacing(np.float32(np.abs(values).max())) * _LEVELS > span)
        needs_double |= is_coarse and not np.array_equal(features[:, position], values)
        if span > 0:
            before, after = (len(pd.unique(some)) for some in (values, ((values - least) / span).astype(np.float32)))
            if after * 2 < before:
                notes.append(
                    f"column {name!r} has {before:,} different values, but {after:,} once it is scaled to 0…1: rare"
                    " large values hide the others"
                )
    if needs_double:
        features = np.column_stack([_numbers(source, frame[name]) for name in frame.columns])
    return features, tuple(notes)


def _numbers(source: _Source, column: "pd.Series[Any]") -> NDArray[np.float64]:
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
        names = "" if source.has_header or position else "; if row 1 holds names, say --header yes"
        where = source.place(position, column.name)
        if isinstance(cell, str) and DECIMAL_COMMA.fullmatch(cell.strip()):
            raise UserError(f"{where} is {found}, with a decimal comma: write all numbers with a point, as 1.5")
        if source.may_be_target and isinstance(cell, str):
            names = "; if these are the labels, name the column as the target"
        raise UserError(
            f"{where} is {found}: it should be a number up to {_LARGEST:.1e} in size;"
            f" fill it in, or leave out the row or, by --ignore, the column{names}"
        )
    return values


def _classes(source: _Source, column: "pd.Series[Any]") -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Each label's position among the classes: numbers in numerical order, words in alphabetical order."""
    text = column.str.strip()
    missing = text.isna() | text.str.lower().isin(_NO_LABEL)
    if missing.any():
        position = int(missing.to_numpy().argmax())
        cell = column.iloc[position]
        found = "empty" if pd.isna(cell) or not cell.strip() else repr(cell)
        raise UserError(f"{source.place(position, column.name)} is {found}: it should be a label")
    if (broken := first_fraction(text)) is not None:
        raise UserError(
            f"{source.place(broken, column.name)} is {text.iloc[broken]}: labels should be words or whole numbers; name"
            " another column as the target"
        )
    labels, names = classes_in(text)
    if len(names) < 2:
        raise UserError(
            f"{source.file.path}, column {column.name!r} holds {names[0]!r} only: there should be two classes or more"
        )
    return labels, names


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown}, … ({len(names)} in all)"
