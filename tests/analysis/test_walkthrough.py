"""Each worked example of the lesson: its numbers, its check, and the page that shows them all."""

import re

import pytest
from mlflow import MlflowClient

from analysis import walkthrough
from analysis.reports import walkthrough as report
from analysis.worked import batches, descent, gradients, steps
from analysis.worked.example import check
from harness.core.errors import UserError
from harness.tracking.reader import ExperimentReader

SECTIONS = ["0", "1.2", "1.2", "2.1", "2.2", "3.1", "3.2", "3.3", "4.1", "4.1", "4.2–4.3", "5"]


@pytest.fixture(scope="module")
def parts():
    return [example() for example in report.EXAMPLES]


def frame(part):
    (table,) = part.tables
    return table.frame


def test_the_parts_come_in_the_lessons_order_each_with_formula_numbers_and_a_check_that_holds(parts):
    assert [part.section for part in parts] == SECTIONS
    for part in parts:
        assert part.formulas and part.text and part.checks and (part.pictures or part.interactive)
        assert all(check.holds for check in part.checks), part.title


def test_cross_entropy_and_squares_of_the_scores():
    table = frame(gradients.losses())
    assert table["σ = softmax(z)"].tolist() == ["0.659001", "0.242433", "0.098566"]
    assert table["−y ln σ"].tolist() == ["0.417030", "0.000000", "0.000000"]


def test_the_surface_can_be_turned_without_a_network(parts):
    html = parts[2].interactive
    assert "Plotly.newPlot" in html and not re.search(r"<script[^>]+src=", html)
    assert frame(parts[2])["L"].iloc[0] == "500", "L(−8, 6) = 4² + 22² = 500"


def test_one_step_with_lr_10_is_seen_and_with_0_001_is_not():
    table = frame(steps.one_step_of_two_sizes()).set_index("lr")
    small, large = (float(table.loc[lr, "|Δw| / |w|, layer 1"]) for lr in ("0.001", "10"))
    assert small < 1e-3 < 0.1 < large and large / small == pytest.approx(1e4, rel=0.1)
    assert table.loc["0.001", "loss before"] == table.loc["0.001", "loss after"] != table.loc["10", "loss after"]


def test_the_bowl_shows_all_three_ways():
    table = frame(steps.bowl())
    assert set(table["so it"]) == {"converges", "oscillates", "diverges"}
    plain = table[table["γ"] == 0.0].set_index("η")["factor a step, in size"]
    assert plain.loc[0.05] == f"{1 - 1.5 * 0.05:.3f}" and plain.loc[1.5] == f"{1.5 * 1.5 - 1:.3f}"


def test_momentum_by_hand_and_torchs_are_the_same_digits():
    table = frame(steps.momentum_by_hand())
    assert table["w₁, by hand"].tolist() == table["w₁, optim.SGD"].tolist()
    assert table["w₂, by hand"].iloc[:2].tolist() == ["6.3750000000", "4.4062500000"]


def test_one_sample_goes_a_longer_way_than_all():
    ratios = frame(batches.paths())["path / distance"].astype(float).tolist()
    assert ratios[0] > ratios[1] > ratios[2] >= 1


def test_the_full_batch_stays_in_its_basin():
    ended = frame(batches.escape()).set_index("batch")["ended in the global basin"]
    assert ended.loc[64] == "0 of 20" and int(ended.loc[1].split()[0]) > 10


def test_drop_last_changes_the_number_of_updates():
    table = frame(batches.loaders()).set_index("samples m")
    assert table.loc["50,000", ["updates", "updates with drop_last", "samples left out"]].tolist() == [13, 12, "2,000"]
    assert table.loc["60,000", ["updates", "updates with drop_last", "samples left out"]].tolist() == [469, 468, "96"]


@pytest.mark.slow
def test_the_page_stands_alone_and_is_logged(command, store, tmp_path):
    done = command("analysis.walkthrough")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^12 examples, (\d+) of \1 checks hold$", done.stdout, re.MULTILINE)
    page = (tmp_path / "reports" / "walkthrough.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|img|link|iframe)[^>]+(src|href)=\"?https?:", page) and "fails</span>" not in page
    assert page.count('<img alt="') == len(list((tmp_path / "reports" / "figures").iterdir())) == 29
    assert len(page.encode()) < 3_000_000
    records = ExperimentReader(store, "reports")
    (run,) = records.parents("report", "walkthrough")
    assert {item.path for item in MlflowClient(records.uri).list_artifacts(run.id)} == {"walkthrough.html", "figures"}
    assert run.status == "FINISHED"


def test_a_check_that_does_not_hold_is_said_and_ends_with_1(monkeypatch, capsys):
    def broken():
        return descent.first_step()._replace(checks=[check("two is one", 1.0, 0.5)])

    monkeypatch.setattr(report, "EXAMPLES", [broken])
    with pytest.raises(SystemExit) as end:
        walkthrough.main(log=False)
    assert end.value.code == 1
    assert "FAILS: two is one: 1, ≤ 0.5" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write the page to .*choose a folder with --output-dir"):
        report.write_page([descent.first_step()], tmp_path / "file")
