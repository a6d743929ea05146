"""Tables to take away: as CSV, JSON or LaTeX. Reads a JSON export again. Judges nothing."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.judging.accuracy import accuracy_verdict
from analysis.rendering import formatting
from analysis.rendering.section import Judged
from harness.core.errors import UserError
from harness.core.validation import named, suggest

TABLES, FIGURES = ("csv", "json", "tex"), ("svg", "pdf")
_IN_LATEX = ["claim", "estimand", "verdict", "effect", "low", "high", "unit", "p", "n"]


def formats_of(option: str, valid: Sequence[str]) -> tuple[str, ...]:
    """The formats in `csv,json`. Raises `UserError` for one that is not `valid`."""
    chosen = [named(one, valid) for one in option.split(",") if one.strip()]
    for one in chosen:
        if one not in valid:
            raise UserError(f"--export is {one!r}: {suggest(one, valid)}it should be some of {','.join(valid)}")
    return tuple(dict.fromkeys(chosen))


def verdict_tables(judged: Sequence[Judged]) -> dict[str, pd.DataFrame]:
    """`verdicts`: a row per estimand. `seeds`: a row per paired seed, with its difference (or ln A − ln B)."""
    verdicts = [row for one in judged for row in _verdict_rows(one)]
    seeds = [
        {
            "claim": one.claim.name,
            "estimand": verdict.estimand.name,
            "compare": verdict.estimand.compare,
            "seed": seed,
            "difference": value,
        }
        for one in judged
        for verdict in one.verdicts
        for seed, value in verdict.differences.items()
    ]
    return {"verdicts": pd.DataFrame(verdicts), "seeds": pd.DataFrame(seeds)}


def exported(name: str, tables: Mapping[str, pd.DataFrame], formats: Sequence[str]) -> dict[str, bytes]:
    """Files (name → content): one of JSON, and one per table of CSV and of LaTeX."""
    files = {}
    if "json" in formats:
        content = {table: plain_rows(frame) for table, frame in tables.items()}
        files[f"{name}.json"] = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for table, frame in tables.items():
        if "csv" in formats:
            files[f"{name}-{table}.csv"] = frame.to_csv(index=False)
        if "tex" in formats:
            shown = frame[[column for column in frame.columns if column in _IN_LATEX or table != "verdicts"]]
            files[f"{name}-{table}.tex"] = shown.to_latex(
                index=False, escape=True, na_rep="--", float_format=lambda value: f"{value:.4g}"
            )
    return {path: text.encode() for path, text in files.items()}


def read_verdicts(path: Path) -> list[dict[str, Any]]:
    """The verdicts in a JSON export. Raises `UserError` if it is none."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
        keys = {(row["claim"], row["estimand"]) for row in rows if row["verdict"]}
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no export of verdicts: make one with analysis.report --export json") from None
    if len(keys) < len(rows):
        raise UserError(f"{path} names an estimand twice")
    return list(rows)


def _verdict_rows(judged: Judged) -> list[dict[str, Any]]:
    claim = judged.claim
    about = {"claim": claim.name, "title": claim.title, "quick": claim.quick, "claim_sha256": claim.sha256}
    if claim.primary is None or judged.evidence is None:
        label, why = accuracy_verdict(claim, judged.evidence)
        return [about | {"estimand": "published", "primary": True, "verdict": label, "words": why}]
    return [
        about
        | {
            "dataset": judged.evidence.source.dataset,
            "estimand": verdict.estimand.name,
            "primary": verdict.estimand.primary,
            "question": verdict.estimand.question,
            "measure": verdict.estimand.measure,
            "at": verdict.estimand.at,
            "verdict": verdict.label,
            "finding": verdict.finding,
            "effect": verdict.effect,
            "low": verdict.low,
            "high": verdict.high,
            "unit": verdict.unit,
            "claimed": formatting.claimed(verdict.estimand),
            "p": verdict.result.p,
            "p_holm": verdict.holm,
            "n": verdict.result.n,
            "diverged": verdict.lost.diverged,
            "unreached": verdict.lost.unreached,
            "undefined": verdict.lost.undefined,
            "words": formatting.sentence(verdict),
        }
        for verdict in judged.verdicts
    ]


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON holds them, which has neither ∞ nor NaN: they become "inf", "-inf" and None."""
    return [{str(name): _plain_value(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else str(value) if math.isinf(value) else value
    return value
