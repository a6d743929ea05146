"""The classes in a column of labels. A label is the text of its cell. No torch."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")
_CODE = re.compile(r"[+-]?0\d")  # 01 is another code than 1, as in postal codes


class Classes(NamedTuple):
    """`labels` int64 [rows]: positions in `names`."""

    labels: NDArray[np.int64]
    names: tuple[str, ...]


def numbers(texts: Iterable[str]) -> Mapping[str, Decimal] | None:
    """The exact value of each text if the column holds numbers; None if it holds words or codes."""
    texts = list(texts)
    if any(_CODE.match(text) or not _NUMBER.fullmatch(text) for text in texts):
        return None
    return {text: Decimal(text) for text in texts}


def first_fraction(labels: "pd.Series[Any]") -> int | None:
    """The position of the first label that is a number, but not a whole one; None if there is none."""
    values = numbers(labels.unique()) or {}
    fractions = [text for text, value in values.items() if value != value.to_integral_value()]
    return int(labels.isin(fractions).to_numpy().argmax()) if fractions else None


def classes_in(labels: "pd.Series[Any]") -> Classes:
    """Numbers in numerical order, where equal ones (1 and 1.0) are one class; else words in alphabetical order."""
    texts = list(labels.unique())
    values: Mapping[str, Any] = numbers(texts) or {text: text for text in texts}
    written: dict[Hashable, list[str]] = defaultdict(list)
    for text in texts:
        written[values[text]].append(text)
    ordered = sorted(written.items())
    positions = {text: position for position, (_, same) in enumerate(ordered) for text in same}
    names = tuple(min(same, key=lambda text: (len(text), text)) for _, same in ordered)
    return Classes(labels.map(positions).to_numpy().astype(np.int64), names)
