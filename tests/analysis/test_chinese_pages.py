"""Pages in Chinese have no English left, in texts, labels and figures."""

import json
import re

import pytest
from matplotlib.text import Text
from support.chinese import english, texts
from support.claim_store import literature
from support.made_up import evidence, section
from support.written_study import DATASET, add_trial, add_winner
from typer.testing import CliRunner

from analysis import study
from analysis.rendering.language import spoken
from analysis.rendering.page import Page, write
from analysis.rendering.section import Judged
from analysis.rendering.shown import Check
from analysis.rendering.terminal import text_table
from analysis.reports.walkthrough import EXAMPLES, write_page
from analysis.sections.across import adjusted, warnings, with_own_training
from analysis.sections.default import published_section
from analysis.sections.registry import OWN_SECTIONS
from harness.reference.exact_checks import exact_checks
from harness.tracking.writer import ExperimentWriter

HAN = re.compile("[\u4e00-\u9fff]")


def left_over(lines, known=()):
    return [(words, line) for line in lines if (words := english(line, known))]


def labels(figures):
    return [text.get_text() for figure in figures for text in figure.findobj(Text)]


@pytest.mark.slow
def test_the_report_of_all_claims_has_no_english_left(tmp_path):
    with spoken("zh"):
        judged = []
        for name in OWN_SECTIONS:
            found = evidence(name, language="zh")
            judged.append(Judged(found.claim, found, *section(found)))
        published = literature().in_language("zh")
        judged.append(Judged(published, None, [], published_section(published, None)))
        judged = with_own_training(adjusted(judged))
        checks = [Check(one.statement, f"{one.value:.2g}", f"≤ {one.bound:.2g}", one.holds) for one in exact_checks()]
        page = Page("题目", "说明", warnings(judged), judged, checks, "0123456789abcdef", "http://localhost")
        html, _markdown, summary = write(page, tmp_path, "report", with_summary=True)[:3]
        terminal = [line for one in judged for line in text_table(one).splitlines()]
        drawn = labels([figure for one in judged for picture in one.section.pictures for figure in picture.figures])
    known = {*OWN_SECTIONS, "parent", "fashion", "mnist"}
    known |= {word for result in published.published for word in re.findall(r"\w+", result.model)}
    for place in (texts(html.read_text()), texts(summary.read_text()), terminal, drawn):
        assert left_over(place, known) == []
        assert sum(bool(HAN.search(line)) for line in place) > 20
    assert '<html lang="zh-CN">' in html.read_text()


@pytest.mark.slow
def test_the_walkthrough_has_no_english_left(tmp_path):
    with spoken("zh"):
        examples = [example() for example in EXAMPLES]
        page = write_page(examples, tmp_path)[0].read_text()
    assert left_over(texts(page), OWN_SECTIONS) == []
    assert "三-2" in page and "§" not in "".join(texts(page)) and '<html lang="zh-CN">' in page
    figures = [figure for example in examples for picture in example.pictures for figure in picture.figures]
    assert left_over(labels(figures)) == []


def test_the_page_of_a_study_and_its_lines_have_no_english_left(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    writer = ExperimentWriter(store, "search/digits", DATASET, "cpu")
    parent = writer.open_parent("mine", "study", {"seed": 420})
    for number, (state, curve) in enumerate((("complete", [0.5, 0.7]), ("pruned", [0.3]), ("diverged", []))):
        add_trial(writer, parent, number, state, curve)
    add_winner(writer, parent, 0)
    recorded = "the best lr (0.3) is at the high edge of its range; widen it in the search space (--space)"
    writer.set_tags(parent, {"harness.warnings": json.dumps([recorded, "a sentence of another version"])})
    writer.close(wait=True)
    done = CliRunner().invoke(study.app, ["--lang", "zh"])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "reports" / "zh" / "mine.html").read_text()
    assert "最好的 lr（0.3）位于其范围的上端" in page and "a sentence of another version" in page
    page = page.replace("a sentence of another version", "")
    known = {"mine", "cpu", "run", "run_id", "page", "localhost", "http", "command", "space"}
    assert left_over(texts(page), known) == []
    assert left_over(done.stdout.splitlines(), known | {"reports"}) == []
    assert "已剪枝" in done.stdout and '<html lang="zh-CN">' in page
