"""A CSV file as text: its first row, its rows as a frame, and where a cell stands in a spreadsheet. No torch."""

import csv
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import pandas as pd

from harness.core.errors import UserError

_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # spreadsheets write it before the table
SEPARATORS = {"\t": "tabs", ";": "';'", ",": "commas"}
_SNIFFED_ROWS = 20
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


class CsvFile(NamedTuple):
    """`first`: the cells of the first row of the table. `skipped`: the lines before it. `separator`: between cells."""

    path: Path
    first: list[str]
    skipped: int
    separator: str

    def rows(self, names: list[str], label: str, has_header: bool) -> pd.DataFrame:
        """The rows below the header, if there is one, under these names; the column `label` as text.

        Raises `UserError` if a row has too many cells.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = pd.read_csv(
                    self.path, sep=self.separator, names=names, header=0 if has_header else None,
                    skiprows=self.skipped, index_col=False,
                    dtype={label: str}, keep_default_na=False, na_values=[""], skipinitialspace=True, low_memory=False,
                    encoding="utf-8-sig",
                )  # fmt: skip
        except pd.errors.ParserWarning:
            raise UserError(
                f"{self.path} is no whole table: rows have more values than the {len(names)} columns"
            ) from None
        except pd.errors.ParserError as error:
            reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
            raise UserError(
                f"{self.path} is no whole table: {reason}; each row should have {len(names)} values"
            ) from None
        except UnicodeDecodeError:
            raise UserError(f"{self.path} is no text in UTF-8; save it as CSV in UTF-8") from None
        if frame.empty:
            raise UserError(f"{self.path} has no rows of data")
        return frame

    def place(self, position: int, column: object, has_header: bool) -> str:
        """The place of the data row at `position` (from 0) in a spreadsheet, blank rows included.

        Raises `UserError` if that row is too short, because then the fault is not the cell.
        """
        with self.path.open(newline="", encoding="utf-8-sig") as text:
            lines = islice(enumerate(_cells(text, self.separator), start=1), self.skipped, None)
            rows = ((number, len(row)) for number, row in lines if not _is_blank(row))
            try:
                row, width = next(islice(rows, position + has_header, None), (0, len(self.first)))
            except csv.Error:  # a cell that is too long for it, but not for pandas
                row, width = 0, len(self.first)
        where = f"row {row}" if row else f"data row {position + 1}"
        if width < len(self.first):
            raise UserError(
                f"{self.path}, {where} has {width} values: it should have {len(self.first)}, one per column"
            )
        return f"{self.path}, {where}, column {column!r}"


def open_csv(path: Path) -> CsvFile:
    """The file, with its first row. Raises `UserError` if it cannot be read, is empty, or has one column."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is a device or a pipe; give the path of a CSV file after csv:")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            named = _SEPARATOR_LINE.fullmatch(file.readline(10))
            if named and named[1] not in SEPARATORS:
                raise UserError(f"{path} is separated by {named[1]!r}: save it with {_or(SEPARATORS.values())}")
            if not named:
                file.seek(0)
            start = file.tell()
            separator = named[1] if named else _sniffed(file, start)
            file.seek(start)
            first = next((row for row in _cells(file, separator) if not _is_blank(row)), [])
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); give the path of a CSV file after csv:") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file ({error})") from None
    if not first:
        raise UserError(f"{path} is empty")
    if len(first) < 2:
        raise UserError(
            f"{path} has one column: it should have features and a label, separated by {_or(SEPARATORS.values())}"
        )
    return CsvFile(path, [cell.strip() for cell in first], int(named is not None), separator)


def _cells(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _sniffed(file: TextIO, start: int) -> str:
    """The separator that gives most of the first rows as many cells as the first one, two or more.

    Commas win, unless those in the cells of the other one are decimal commas alone.
    """
    found = {}
    for separator in SEPARATORS:
        file.seek(start)
        try:
            rows = [row for row in islice(_cells(file, separator), _SNIFFED_ROWS) if not _is_blank(row)]
        except csv.Error:
            continue
        same = sum(len(row) == len(rows[0]) for row in rows)
        if rows and len(rows[0]) > 1 and same * 2 > len(rows):
            found[separator] = rows
    if "," in found:
        for separator in found.keys() - {","}:
            with_commas = [cell for row in found[separator] for cell in row if "," in cell]
            if all(DECIMAL_COMMA.fullmatch(cell.strip()) for cell in with_commas):
                return separator
        return ","
    return next(iter(found), ",")


def _or(choices: Iterable[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def _is_blank(row: list[str]) -> bool:
    """Whether pandas skips this row; it keeps a row of several empty cells."""
    return not row or (len(row) == 1 and not row[0].strip(" \t"))
