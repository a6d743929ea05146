"""A report pinned to a small committed set of records (tests/records), whose numbers were worked out by hand.

first_epoch: the differences are 4.6, 5.2, 5.4 and 4.8 points; mean 5, sd √(0.4/3) = 0.365; t(0.975, 3) = 3.1824, so
the interval is 5 ± 0.581, inside 5 ± 1; 2 of 16 sign flips are as extreme: p = 0.125.
tuned: 0.2, −0.1, 0.1 and −∞ (seed 4 diverged): median 0.0; four values have no interval by order statistics.
"""

import base64
import re
import shutil

import pytest
from mlflow import MlflowClient
from support.claim_store import RECORDS, literature, record, rows, tiny
from typer.testing import CliRunner

from analysis.evidence.claims import claim_evidence
from analysis.judging.verdicts import judge_all
from analysis.rendering.page import _arms
from analysis.report import app
from analysis.reports.claims import judge_claim, write_report
from harness.claims.file import read_claim
from harness.tracking.reader import ExperimentReader


def written(store, monkeypatch, tmp_path, **changes):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    write_report([tiny()], tmp_path / "reports", "report", "Tiny", **{"with_exact": False, "log": True} | changes)
    folder = tmp_path / "reports"
    return (folder / "report.html").read_text(), (folder / "report.md").read_text()


def page_of(text, store, monkeypatch, tmp_path):
    """The page of a claim with this text and the records of `tiny`."""
    path = tmp_path / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    claim = read_claim(path)
    record(store, claim)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    write_report([claim], tmp_path / "reports", "report", "Tiny", with_exact=False, log=False)
    return (tmp_path / "reports" / "report.html").read_text()


def test_the_verdicts_have_the_numbers_worked_out_by_hand(recorded):
    first, tuned = judge_all(claim_evidence(ExperimentReader(recorded, "claims/tiny"), tiny()))
    assert (first.label, first.result.n, first.unit) == ("reproduced", 4, "points")
    assert first.effect == pytest.approx(5.0) and first.low == pytest.approx(4.419, abs=1e-3)
    assert first.high == pytest.approx(5.581, abs=1e-3) and first.result.p == pytest.approx(0.125)
    assert first.differences.to_dict() == {1: pytest.approx(4.6), 2: pytest.approx(5.2), 3: pytest.approx(5.4),
                                           4: pytest.approx(4.8)}  # fmt: skip
    assert (tuned.label, tuned.result.infinite) == ("inconclusive", 1)
    assert tuned.effect == pytest.approx(0.0, abs=1e-9)
    assert (tuned.low, tuned.high) == (-float("inf"), float("inf"))


def test_the_page_shows_them_and_needs_no_network(recorded, monkeypatch, tmp_path, capsys):
    page, markdown = written(recorded, monkeypatch, tmp_path)
    for text in (page, markdown):
        assert "5 points [4.42, 5.58]" in text and "0.125" in text
        assert "0 points [−∞, ∞]" in text and "reproduced" in text and "示例" in text
        assert "5 ± 1 points" in text and "at least 0.5 points" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert page.count("data:image/png;base64,") == len(list((tmp_path / "reports" / "figures").glob("*.png"))) > 0
    assert "Traceback" not in capsys.readouterr().err


def test_the_first_table_draws_each_claim_and_what_becomes_of_it_elsewhere(recorded, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    first, tuned = tiny().estimands
    claim = tiny()._replace(estimands=(first, tuned.model_copy(update={"when": "with the lr tuned"})))
    both = [claim, literature()]
    write_report(both, tmp_path, "report", "Tiny", with_exact=False, log=False, with_summary=True)
    page = (tmp_path / "report.html").read_text()
    (drawn,) = re.findall(r'<img class="forest" alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert drawn[0] == "the claim: as claimed, 5 points [4.42, 5.58]; with the lr tuned: undecided, 0 points [−∞, ∞]"
    picture = base64.b64decode(drawn[1]).decode()
    assert ">the claim: as claimed<" in picture and ">with the lr tuned: undecided<" in picture
    summary = (tmp_path / "report-summary.html").read_text()
    assert "<b>Undecided</b> with the lr tuned." in summary and "5 points [4.42, 5.58]" in summary
    assert "the best of 5 published results" in summary.lower()


def test_one_outcome_has_one_word_in_table_figure_and_text(recorded, monkeypatch, tmp_path, capsys):
    page, markdown = written(recorded, monkeypatch, tmp_path)
    judged = judge_claim(tiny(), recorded)
    texts = [text.get_text() for picture in judged.section.pictures for text in picture.figures[0].axes[0].texts]
    assert "the claim: as claimed" in texts and "tuned: undecided" in texts
    assert page.count('">as claimed</span>') == page.count('">undecided</span>') == 1
    assert "| as claimed |" in markdown and "| undecided |" in markdown
    printed = capsys.readouterr().out
    assert "*as claimed " in printed and " undecided " in printed
    assert " * gives the claim its verdict: reproduced\n" in printed


def test_the_report_and_its_figures_are_logged(recorded, monkeypatch, tmp_path):
    written(recorded, monkeypatch, tmp_path)
    client = MlflowClient(recorded)
    (run,) = client.search_runs([client.get_experiment_by_name("reports").experiment_id])
    assert (run.info.status, run.data.tags["harness.kind"]) == ("FINISHED", "report")
    assert run.data.tags["harness.claim_sha256.tiny"] == tiny().sha256
    logged = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert logged == {"report.html", "report.md", "figures"}
    assert client.list_artifacts(run.info.run_id, "figures")


def test_the_page_shows_what_tuning_tried_and_warns_of_the_end_of_its_grid(recorded, monkeypatch, tmp_path):
    page, _ = written(recorded, monkeypatch, tmp_path)
    assert (
        "Tuning, by the lowest validation loss after the last epoch" in page
        and "<td>0.45</td>" in page
        and "<td>0.5</td>" in page
    )
    assert "tiny: the lr chosen for &#39;tuned&#39;, 0.2, is at an end of its grid" in page


def test_runs_link_to_the_server_where_one_is_known(recorded):
    judged = judge_claim(tiny(), recorded)
    (first, *_) = _arms(judged, "http://tracking:5000/")
    run = first["runs"][0]
    assert run["link"] == f"http://tracking:5000/#/experiments/{judged.evidence.source.experiment_id}/runs/{run['id']}"
    assert _arms(judged, "")[0]["runs"][0]["link"] == ""


def test_other_seeds_than_written_down_are_said_on_the_page(store, monkeypatch, tmp_path):
    record(store, claim=tiny().with_seeds(3), lines=[line for line in rows() if line["seed"] != "4"])
    page, _ = written(store, monkeypatch, tmp_path)
    assert "tiny: judged on 3 seeds; the claim was written down for 4." in page


def test_a_quick_look_is_labelled_wherever_it_is_shown(store, monkeypatch, tmp_path, capsys):
    quick = tiny().quickened()
    record(store, claim=quick, lines=[line for line in rows() if line["seed"] != "4"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    write_report(
        [quick._replace(estimands=quick.estimands[:1])], tmp_path / "reports", "quick-report", "Tiny", False, True
    )
    page, markdown = (tmp_path / "reports" / f"quick-report.{kind}" for kind in ("html", "md"))
    for text in (page.read_text(), markdown.read_text(), capsys.readouterr().out):
        assert "A QUICK LOOK" in text
    assert "Norm adds five <span" in page.read_text() and "## Norm adds five (quick look)" in markdown.read_text()


def test_bad_evidence_is_one_line_and_writes_nothing(store, monkeypatch, tmp_path):
    record(store, lines=[], end_run=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    shutil.copy(RECORDS / "tiny.toml", tmp_path)
    result = CliRunner().invoke(app, ["tiny.toml"])
    assert result.exit_code == 2
    assert "has not ended" in result.output and "Traceback" not in result.output
    assert not (tmp_path / "reports").exists()


def test_markup_in_a_claim_is_text_on_the_page(store, monkeypatch, tmp_path):
    text = (RECORDS / "tiny.toml").read_text(encoding="utf-8")
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    for field in ('title = "Norm adds five', 'statement = "', 'would_change = "', 'zh = "', 'sources = ["'):
        assert field in text
        text = text.replace(field, field + evil, 1)
    page = page_of(text, store, monkeypatch, tmp_path)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page and "<img src=x" not in page


def test_sources_are_links(store, monkeypatch, tmp_path):
    sources = 'sources = ["A & B 2018, arXiv:1812.06162", "https://example.org/x?a=1&b=2, a page", '
    text = (RECORDS / "tiny.toml").read_text(encoding="utf-8").replace("sources = [", sources, 1)
    page = page_of(text, store, monkeypatch, tmp_path)
    assert 'A &amp; B 2018, <a href="https://arxiv.org/abs/1812.06162">arXiv:1812.06162</a>; ' in page
    assert '<a href="https://example.org/x?a=1&amp;b=2">https://example.org/x?a=1&amp;b=2</a>, a page; ' in page
