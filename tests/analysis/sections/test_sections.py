"""The pictures and tables of each of the lesson's claims, on made-up curves: all drawn, whatever the runs did.

What the numbers mean is tested where they are computed; here a figure must come out for three seeds of every arm, and
for arms whose runs diverged or never got to their target.
"""

import io
import math
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from analysis.evidence.claims import Evidence, Source
from analysis.judging.verdicts import judge_all
from analysis.rendering.page import tuning_tables
from analysis.rendering.section import Judged
from analysis.sections.registry import OWN_SECTIONS
from harness.claims.file import find_claim, read_claim
from harness.tracking.reader import TrackedRun
from harness.training.probes.registry import is_scheduled

SEEDS = 3
WITH_RUNS = list(OWN_SECTIONS)


class MadeUp:
    """Stands for the records in MLflow: curves that fall and rise as curves do, a little different for each seed."""

    def __init__(self, configs, diverged=()):
        self.configs = configs
        self.diverged = diverged

    def history(self, run, metric):
        run_id = run.id
        config = self.configs[run_id]
        images = 50_000 if config.split == "search" else 60_000
        a_pass = math.ceil(images / config.batch_size)
        updates = min(config.epochs * a_pass, config.updates or math.inf)
        epochs = [epoch + 1 for epoch in range(math.ceil(updates / a_pass))]
        looks = [update for update in range(1, updates + 1) if is_scheduled(update) or update == updates]
        if run_id in self.diverged:
            return {}
        luck = 1 + config.seed % 7 / 100
        step = config.lr / (1 - config.gamma) * luck
        match metric:
            case "probe_loss":
                pace = min(step, 0.3) / 2 * config.batch_size / (config.batch_size + 50)
                return {look: 0.3 + 2 * math.exp(-look * pace) for look in [0, *looks]}
            case "train_loss" | "half_1_loss" | "half_2_loss":
                return {epoch: 0.5 * luck + abs(math.log10(step)) / epoch + epoch / 200 for epoch in epochs}
            case "train_accuracy" | "test_accuracy" | "val_accuracy" | "half_1_accuracy" | "half_2_accuracy":
                bonus = 0.05 * config.batch_norm + 0.05 * config.standardize + 0.07 * config.hidden_batch_norm
                return {epoch: 0.8 + (bonus + config.seed % 5 / 1_000) / epoch for epoch in epochs}
            case "epoch_seconds":
                return dict.fromkeys(epochs, 0.1 + config.batch_norm * 0.01 + images / 1e6)
            case "epoch_updates":
                return {epoch: float(min(a_pass, updates - (epoch - 1) * a_pass)) for epoch in epochs}
            case "path_length":
                return {look: look * luck for look in looks}
            case "displacement":
                return {look: look ** (0.5 + config.batch_size**0.01 / 10) for look in looks}
            case "gradient_path":
                return {look: look * luck * (1 - config.gamma / 2) for look in looks}
            case "gradient_cosine":
                return {look: 1 - 1 / (luck + config.batch_size) for look in looks if look > 1}
            case "loss_variation":
                return {look: look * luck / config.batch_size**0.3 for look in looks if look <= 100}
            case "gradient_covariance_start" | "gradient_covariance_end":
                return {size: 10 * luck / size for size in (1, 8, 32, 128, 512, 4_096)}
            case "gradient_square_start" | "gradient_square_end":
                return {images: 0.2 * luck}
            case "global_basin":
                return {updates: float(config.batch_size < 4)}
            case "position":
                return {updates: -1.0 if config.batch_size < 4 else 0.9}
        raise AssertionError(f"no made-up {metric}")

    def array(self, run_id, name):
        generator = np.random.default_rng(len(run_id))
        return np.cumsum(generator.normal(size=(self.configs[run_id].updates + 1, 8)), axis=0).astype(np.float16)


def evidence(name, diverged_arms=()):
    claim = read_claim(find_claim(name)).with_seeds(SEEDS)
    chosen = {arm.name: claim.tuning.lr[len(claim.tuning.lr) // 2] for arm in claim.arms.values() if arm.tuned}
    configs, rows = {}, []
    for arm in claim.arms.values():
        for seed in claim.arm_seeds(arm):
            config = claim.config(arm, seed, chosen.get(arm.name))
            run_id = f"{arm.name}/{seed}"
            configs[run_id] = config
            state = "diverged" if arm.name in diverged_arms else "complete"
            rows.append({"arm": arm.name, "run_id": run_id, "state": state} | config.model_dump())
    diverged = {row["run_id"] for row in rows if row["state"] == "diverged"}
    tuning = pd.DataFrame(
        [{"arm": arm, "lr": lr, "score": math.inf if lr > 0.5 else lr} for arm in chosen for lr in claim.tuning.lr]
    )
    source = Source("parent", "1", "fashion-mnist", "ab" * 32, ("0123456789",))
    tracked = [TrackedRun(run_id, run_id, "FINISHED", {}, {}, {}, 0) for run_id in configs]
    return Evidence(claim, source, pd.DataFrame(rows), tuning, chosen, MadeUp(configs, diverged), tracked)


def section(found):
    verdicts = judge_all(found)
    made = import_module(f"analysis.sections.{found.claim.name}").section(found, verdicts)
    return verdicts, made._replace(tables=made.tables + tuning_tables(Judged(found.claim, found, verdicts, made)))


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
