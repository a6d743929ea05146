"""What changed between two exports of verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_MOVED = 5e-4  # relative: what three digits show
_SAME = ("dataset", "quick")


class Comparison(NamedTuple):
    """`verdicts`: a sentence per verdict that changed, appeared or is gone. `effects`: one per effect that moved."""

    verdicts: list[str]
    effects: list[str]


def compare(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Comparison:
    """Compare rows of verdicts by claim and estimand."""
    before, after = ({(row["claim"], row["estimand"]): row for row in rows} for rows in (old, new))
    verdicts = [f"{_name(key)}: gone ({row['verdict']})" for key, row in before.items() if key not in after]
    verdicts += [f"{_name(key)}: new ({row['verdict']})" for key, row in after.items() if key not in before]
    effects = []
    for key, row in after.items():
        was = before.get(key)
        if was is None:
            continue
        if other := [name for name in _SAME if was.get(name) != row.get(name)]:
            verdicts.append(f"{_name(key)}: not comparable, another {' and '.join(other)}")
        elif was["verdict"] != row["verdict"]:
            change = f"{_name(key)}: {was['verdict']} → {row['verdict']} ({_effect(was)} → {_effect(row)})"
            verdicts.append(change + _other_text(was, row))
        elif _moved(was.get("effect"), row.get("effect")):
            effects.append(f"{_name(key)}: {_effect(was)} → {_effect(row)} ({row['verdict']})")
    return Comparison(verdicts, effects)


def _other_text(was: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What changed in the claim itself, because that may be why the verdict did."""
    if was.get("claimed") != row.get("claimed"):
        return f"; claimed: {was.get('claimed')} → {row.get('claimed')}"
    return "; by another text of the claim" if was.get("claim_sha256") != row.get("claim_sha256") else ""


def _name(key: tuple[str, str]) -> str:
    return "/".join(key)


def _effect(row: Mapping[str, Any]) -> str:
    effect, unit = row.get("effect"), row.get("unit") or ""
    if not isinstance(effect, float | int):
        return "no number"
    low, high = (
        f"{value:.3g}" if isinstance(value, float | int) else f"{value}" for value in (row.get("low"), row.get("high"))
    )
    return f"{effect:.3g} [{low}, {high}] {unit}".strip()


def _moved(old: Any, new: Any) -> bool:
    if isinstance(old, float | int) and isinstance(new, float | int):
        return abs(new - old) > _MOVED * max(abs(old), abs(new))
    return bool(old != new)
