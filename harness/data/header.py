"""Whether the first row of a CSV file holds names: decided by whole columns, because a name may be a number."""

import pandas as pd


def is_number(cell: str) -> bool:
    """Whether Python reads this cell as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def holds_names(rows: pd.DataFrame, label: str) -> bool:
    """Whether the first of `rows` holds the names of the columns, although some of its cells are numbers.

    It does if its label occurs nowhere else although every other label repeats. If labels do not decide (there are too
    few rows), it does if a cell of it is no number although the rest of its column is.
    """
    labels = rows[label].str.strip()
    counts = labels.iloc[1:].value_counts()
    if labels.iloc[0] in counts.index:
        return False
    if len(counts) and counts.min() > 1:
        return True
    return len(rows) > 1 and any(
        not is_number(str(rows[name].iloc[0])) and all(map(is_number, rows[name].iloc[1:].astype(str)))
        for name in rows.columns
        if name != label
    )
