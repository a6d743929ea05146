"""The pictures and tables of each of the lesson's claims, on made-up curves: all drawn, whatever the runs did.

What the numbers mean is tested where they are computed; here a figure must come out for three seeds of every arm, and
for arms whose runs diverged or never got to their target.
"""

import io
import math

import pytest
from support.made_up import MadeUp, evidence, section

from analysis.sections.registry import OWN_SECTIONS

WITH_RUNS = list(OWN_SECTIONS)


def draw(picture):
    for figure in picture.figures:
        figure.savefig(io.BytesIO(), format="png", dpi=20)


def check(made):
    """Every figure can be drawn, no two have one name, and no cell of a table is an accident."""
    names = [picture.name for picture in made.pictures]
    assert len(set(names)) == len(names)
    for picture in made.pictures:
        draw(picture)
        assert picture.caption
    for table in made.tables:
        assert len(table.frame)
        assert not table.frame.astype(str).apply(lambda column: column.str.contains("nan|None")).any(axis=None)


@pytest.mark.parametrize("name", WITH_RUNS)
def test_every_claim_has_its_pictures_and_tables(name):
    found = evidence(name)
    verdicts, made = section(found)
    check(made)
    assert len(verdicts) == len(found.claim.estimands)
    assert all(math.isfinite(verdict.result.estimate) for verdict in verdicts if verdict.estimand.question != "control")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("momentum", ["lr 0.01, momentum 0.9", "tuned, gamma 0.99"]),
        ("batch_noise", ["batch 1", "lr 0.01, batch 8"]),
        ("batch_norm", ["BatchNorm", "lr 0.5, BatchNorm"]),
        ("learning_rate", ["lr 10.0", "momentum 0.9, lr 1.0", "momentum 0.9, lr 3.0"]),
        ("minibatch_cost", ["batch 50000", "batch 4096", "batch 512"]),
        ("epochs", ["BatchNorm"]),
    ],
)
def test_arms_whose_runs_diverged_are_shown_and_do_not_stop_the_report(name, arms):
    _, made = section(evidence(name, diverged_arms=arms))
    for picture in made.pictures:
        draw(picture)


def test_updates_that_do_not_depend_on_the_batch_size_have_no_trade_off(monkeypatch):
    made_up = MadeUp.history
    same = {0: 2.3, 40: 0.3}
    monkeypatch.setattr(
        MadeUp, "history", lambda self, run, metric: same if metric == "probe_loss" else made_up(self, run, metric)
    )
    _, made = section(evidence("minibatch_cost"))
    assert made.notes == ["The updates hardly depend on the batch size: there is no trade-off to fit."]
    assert "minibatch_cost-trade-off" not in [picture.name for picture in made.pictures]


def test_the_numbers_beside_batch_norm_by_hand():
    """Made-up accuracies: 5 points more in epoch 1, 2.5 in epoch 2."""
    _, made = section(evidence("batch_norm"))
    by_epoch = made.tables[0].frame
    assert list(by_epoch["training accuracy"][:2]) == ["+5.0 [+5.0, +5.0]", "+2.5 [+2.5, +2.5]"]
    assert "from 80." in made.notes[0] and "5.0 points" in made.notes[0]
    assert "points of test accuracy, 95 % interval" in made.notes[1] and "n = 3" in made.notes[1]


def test_momentum_shows_how_large_its_steps_are():
    """Made up: Σ‖Δw‖ / Σ η‖g‖ is 1/(1 − γ/2) at every update."""
    _, made = section(evidence("momentum"))
    table = made.tables[0].frame.set_index(["arm", "updates"])["step / (lr × gradient)"]
    assert table["lr 0.01, no momentum", "1 to 50"] == "1.00"
    assert table["lr 0.01, momentum 0.9", "1 to 50"] == f"{1 / 0.55:.2f}"
