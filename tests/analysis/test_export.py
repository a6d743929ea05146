"""Exports of verdicts, pinned to the records of tests/records (see test_report.py for the numbers), and read again."""

import csv
import json
from pathlib import Path

import pytest
from support.claim_store import literature, tiny
from typer.testing import CliRunner

from analysis import compare as compare_command
from analysis.rendering.export import TABLES, exported, formats_of, read_verdicts, verdict_tables
from analysis.reports.claims import check_verdicts, judge_claim, write_report
from analysis.reports.comparison import compare
from harness.core.errors import Stopped, UserError


@pytest.fixture
def files(recorded):
    return exported("tiny", verdict_tables([judge_claim(tiny(), recorded)]), ("json", "csv", "tex"))


def test_there_is_a_row_an_estimand_and_a_row_a_seed(files):
    assert sorted(files) == [
        "tiny-seeds.csv", "tiny-seeds.tex", "tiny-verdicts.csv", "tiny-verdicts.tex", "tiny.json",
    ]  # fmt: skip
    first, tuned = csv.DictReader(files["tiny-verdicts.csv"].decode().splitlines())
    assert (first["verdict"], first["primary"], first["n"], first["unit"]) == ("reproduced", "True", "4", "points")
    assert float(first["effect"]) == pytest.approx(5.0) and float(first["low"]) == pytest.approx(4.419, abs=1e-3)
    assert (tuned["low"], tuned["high"], tuned["diverged"]) == ("-inf", "inf", "1")
    seeds = list(csv.DictReader(files["tiny-seeds.csv"].decode().splitlines()))
    assert [(row["estimand"], row["seed"]) for row in seeds][:5] == [
        *(("first_epoch", str(seed)) for seed in (1, 2, 3, 4)), ("tuned", "1"),
    ]  # fmt: skip
    assert float(seeds[0]["difference"]) == pytest.approx(4.6)
    content = json.loads(files["tiny.json"], parse_constant=pytest.fail)
    assert content["verdicts"][1]["low"] == "-inf" and content["verdicts"][0]["p_holm"] is None
    latex = files["tiny-verdicts.tex"].decode()
    assert r"first\_epoch & reproduced & 5" in latex and latex.startswith(r"\begin{tabular}")


def test_a_report_writes_and_logs_them(recorded, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    write_report([tiny()], tmp_path, "tiny", "Tiny", False, True, ("json", "svg", "pdf"))
    assert f"exported: {tmp_path / 'tiny.json'}" in capsys.readouterr().out
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    figures = list((tmp_path / "figures").iterdir())
    assert {path.suffix for path in figures} == starts.keys() and len(figures) % 3 == 0
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in figures)
    assert [row["verdict"] for row in read_verdicts(tmp_path / "tiny.json")] == ["reproduced", "inconclusive"]


def test_formats_are_named_as_people_type_them():
    assert formats_of("JSON, csv,json", TABLES) == ("json", "csv")
    assert formats_of("", TABLES) == ()
    with pytest.raises(UserError, match="--export is 'jsn': did you mean json"):
        formats_of("jsn", TABLES)
    with pytest.raises(UserError, match="--export is 'pdf': it should be some of csv,json,tex"):
        formats_of("pdf", TABLES)


def test_what_has_no_number_is_the_same_the_next_time(recorded, monkeypatch, tmp_path, capsys):
    """The interval of `tuned` is infinite, and a published claim has no numbers at all."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    claims = [tiny(), literature()]
    export = tmp_path / "old.json"
    tables = verdict_tables([judge_claim(claim, recorded) for claim in claims])
    export.write_bytes(exported("old", tables, ("json",))["old.json"])
    check_verdicts(claims, export)
    assert capsys.readouterr().out == f"3 verdicts are those of {export}\n"


ROW = {"claim": "c", "estimand": "e", "verdict": "reproduced", "effect": 5.0, "low": 4.0, "high": "inf", "unit": "×"}


@pytest.mark.parametrize(
    ("old", "new", "verdicts", "effects"),
    [
        ([ROW], [ROW], [], []),
        ([ROW], [ROW | {"effect": 5.001}], [], []),
        ([ROW], [ROW | {"effect": 5.1}], [], ["c/e: 5 [4, inf] × → 5.1 [4, inf] × (reproduced)"]),
        ([ROW], [ROW | {"effect": None}], [], ["c/e: 5 [4, inf] × → no number (reproduced)"]),
        ([ROW], [ROW | {"verdict": "inconclusive"}],
         ["c/e: reproduced → inconclusive (5 [4, inf] × → 5 [4, inf] ×)"], []),
        ([ROW | {"claimed": "at least 2 ×"}], [ROW | {"verdict": "inconclusive", "claimed": "at least 3 ×"}],
         ["c/e: reproduced → inconclusive (5 [4, inf] × → 5 [4, inf] ×); claimed: at least 2 × → at least 3 ×"], []),
        ([ROW | {"claim_sha256": "a"}], [ROW | {"verdict": "inconclusive", "claim_sha256": "b"}],
         ["c/e: reproduced → inconclusive (5 [4, inf] × → 5 [4, inf] ×); by another text of the claim"], []),
        ([ROW | {"quick": True}], [ROW | {"quick": False, "dataset": "digits"}],
         ["c/e: not comparable, another dataset and quick"], []),
        ([ROW], [ROW | {"estimand": "f"}], ["c/e: gone (reproduced)", "c/f: new (reproduced)"], []),
    ],
)  # fmt: skip
def test_what_changed_between_two_exports(old, new, verdicts, effects):
    assert compare(old, new) == (verdicts, effects)


def test_verdicts_are_checked_against_an_export(recorded, files, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    export = tmp_path / "old.json"
    export.write_bytes(files["tiny.json"])
    check_verdicts([tiny()], export)
    assert capsys.readouterr().out == f"2 verdicts are those of {export}\n"
    export.write_bytes(files["tiny.json"].replace(b'"inconclusive"', b'"reproduced"'))
    with pytest.raises(Stopped, match="1 of 2 verdicts differ from") as stopped:
        check_verdicts([tiny()], export)
    assert stopped.value.status == 1
    assert "tiny/tuned: reproduced → inconclusive" in capsys.readouterr().out
    export.write_bytes(files["tiny.json"].replace(b'"tiny"', b'"other"'))
    with pytest.raises(UserError, match="has no verdict on tiny"):
        check_verdicts([tiny()], export)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is no export of verdicts"), ("{}", "is no export"), ('{"verdicts": [1]}', "is no export"),
     ('{"verdicts": [{"claim": "c", "estimand": "e"}]}', "is no export"),
     (json.dumps({"verdicts": [ROW, ROW]}), "names an estimand twice")],
)  # fmt: skip
def test_what_is_no_export_is_refused(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_verdicts(path)
    result = CliRunner().invoke(compare_command.app, [str(path), str(Path("nowhere.json"))])
    assert result.exit_code == 2 and result.output.count("\n") == 1
