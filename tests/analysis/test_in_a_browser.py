"""The pages in Chromium: axe-core finds nothing, nothing is wider than a phone, and they print."""

import pytest
from support.browser import PHONE, SCREEN, complaints, overflow, sheets
from support.claim_store import literature, tiny

from analysis.reports.claims import write_report
from analysis.reports.walkthrough import EXAMPLES, write_page
from harness.reference.exact_checks import exact_checks
from harness.studies.frames import study_frames
from harness.studies.page import study_page
from harness.tracking.reader import ExperimentReader
from harness.tracking.reports import log_exact


@pytest.fixture
def report(recorded, monkeypatch, tmp_path):
    """The report of the tiny claim, and its summary."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    write_report([tiny()], tmp_path, "report", "Tiny", with_exact=False, log=False, with_summary=True)
    return tmp_path / "report.html", tmp_path / "report-summary.html"


@pytest.fixture
def both(recorded, monkeypatch, tmp_path):
    """A report of two claims, with exact statements."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded)
    checks = {one.name: (one.statement, one.value, one.bound) for one in exact_checks()}
    log_exact(recorded, checks)
    claims = [tiny(), literature()]
    write_report(claims, tmp_path, "report", "Tiny", with_exact=True, log=False)
    return tmp_path / "report.html"


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


@pytest.mark.parametrize("width", [390, 700, 800, 1000, 1280])
def test_the_first_table_of_several_claims_fits_any_window(both, opened, width):
    page = opened(both, {"width": width, "height": 900})
    assert page.locator("table.first").count() == 1 and page.locator("#exact").count() == 1
    assert overflow(page) <= 0
    assert complaints(page) == []


def test_a_summary_is_one_sheet_of_paper(report, opened, tmp_path):
    assert sheets(opened(report[1]), tmp_path / "summary.pdf") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("window", "colours"), WINDOWS)
def test_axe_finds_nothing_in_the_page_of_a_study(study, opened, window, colours):
    page = opened(study, window, color_scheme=colours)
    assert complaints(page) == []
    assert overflow(page) <= 0


@pytest.mark.slow
def test_the_page_of_a_study_draws_each_figure_and_prints_a_still_of_it(study, opened):
    page = opened(study)
    figures = page.locator("[data-figure]").count()
    assert page.locator("[data-figure] .plot-container").count() == figures >= 9
    page.emulate_media(media="print")
    assert page.locator(".still:visible").count() == figures
    assert page.locator("[data-figure]:visible").count() == 0
    assert page.evaluate("[...document.querySelectorAll('.still')].every(still => still.naturalWidth > 100)")


@pytest.mark.slow
def test_a_page_that_is_drawn_while_it_is_hidden_is_whole_when_it_is_shown(study, opened, tmp_path):
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe src="{study.name}" style="display: none; width: 900px; height: 700px"></iframe>')
    page = opened(frame)
    inside = page.frames[1]
    page.wait_for_timeout(1_000)
    page.evaluate("document.querySelector('iframe').style.display = 'block'")
    figures = inside.locator("[data-figure]").count()
    inside.wait_for_function(f"document.querySelectorAll('.still').length == {figures}")
    assert inside.locator(".plot-container").count() == figures >= 9


@pytest.mark.slow
def test_axe_finds_nothing_in_the_walkthrough(opened, tmp_path):
    write_page([example() for example in EXAMPLES], tmp_path)
    for window, colours in WINDOWS:
        page = opened(tmp_path / "walkthrough.html", window, color_scheme=colours)
        assert complaints(page) == []
        assert overflow(page) <= 0
    page.emulate_media(media="print")
    assert page.locator(".still:visible").count() == 1
