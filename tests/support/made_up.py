"""Made-up records of the lesson's claims: curves that fall and rise as curves do, for three seeds of every arm."""

import math
from importlib import import_module

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence, Source
from analysis.judging.verdicts import judge_all
from analysis.rendering.page import tuning_tables
from analysis.rendering.section import Judged
from harness.claims.file import find_claim, read_claim
from harness.tracking.reader import TrackedRun
from harness.training.probes.registry import is_scheduled

SEEDS = 3


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


def evidence(name, diverged_arms=(), language="en"):
    claim = read_claim(find_claim(name)).in_language(language).with_seeds(SEEDS)
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
