"""The pages in Chromium: axe-core finds nothing, nothing is wider than a phone, and they print."""

import pytest
from support.browser import PHONE, SCREEN, complaints, overflow, sheets
from support.claim_store import tiny

from analysis.reports.claims import write_report
from analysis.reports.walkthrough import EXAMPLES, write_page
from harness.studies.frames import study_frames
from harness.studies.page import study_page
from harness.tracking.reader import ExperimentReader


@pytest.fixture
def report(recorded, monkeypatch, tmp_path):
    """The report of the tiny claim, and its summary."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    write_report([tiny()], tmp_path, "report", "Tiny", with_exact=False, log=False, with_summary=True)
    return tmp_path / "report.html", tmp_path / "report-summary.html"


@pytest.fixture
def study(searched, tmp_path):
    """The page of a search of the digits."""
    folder, _ = searched
    reader = ExperimentReader(f"sqlite:///{folder}/mlflow.db", "search/digits")
    path = tmp_path / "study.html"
    path.write_text(study_page(study_frames(reader, "digits-420"), reader.uri))
    return path


WINDOWS = [(SCREEN, "light"), (PHONE, "dark")]


@pytest.mark.parametrize(("window", "colours"), WINDOWS)
def test_axe_finds_nothing_in_a_report_and_its_summary(report, opened, window, colours):
    for path in report:
        page = opened(path, window, color_scheme=colours)
        assert complaints(page) == []
        assert overflow(page) <= 0


def test_a_summary_is_one_sheet_of_paper(report, opened, tmp_path):
    assert sheets(opened(report[1]), tmp_path / "summary.pdf") == 1


@pytest.mark.parametrize(("window", "colours"), WINDOWS)
def test_axe_finds_nothing_in_the_page_of_a_study(study, opened, window, colours):
    page = opened(study, window, color_scheme=colours)
    assert complaints(page) == []
    assert overflow(page) <= 0


def test_the_page_of_a_study_draws_each_figure_and_prints_a_still_of_it(study, opened):
    page = opened(study)
    figures = page.locator("[data-figure]").count()
    assert page.locator("[data-figure] .plot-container").count() == figures >= 9
    page.emulate_media(media="print")
    assert page.locator(".still:visible").count() == figures
    assert page.locator("[data-figure]:visible").count() == 0
    assert page.evaluate("[...document.querySelectorAll('.still')].every(still => still.naturalWidth > 100)")


@pytest.mark.slow
def test_axe_finds_nothing_in_the_walkthrough(opened, tmp_path):
    write_page([example() for example in EXAMPLES], tmp_path)
    for window, colours in WINDOWS:
        page = opened(tmp_path / "walkthrough.html", window, color_scheme=colours)
        assert complaints(page) == []
        assert overflow(page) <= 0
    page.emulate_media(media="print")
    assert page.locator(".still:visible").count() == 1
