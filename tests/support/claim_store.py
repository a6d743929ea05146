"""Puts typed-in numbers into a real MLflow store as the runs of a claim: tests/records/tiny.toml and tiny.csv."""

import csv
from collections.abc import Iterable

from support.paths import PROJECT

from harness.claims.arm import tuned_tag
from harness.claims.claim import Claim, parent_name
from harness.claims.file import find_claim, read_claim
from harness.core.metrics import DatasetRecord, EpochMetrics
from harness.tracking.schema import ARM, CLAIM_SHA256, QUICK, SCORE, SEEDS
from harness.tracking.writer import ExperimentWriter

RECORDS = PROJECT / "tests" / "records"
DATA = DatasetRecord("digits", "ab" * 32, "sklearn.datasets.load_digits", "", "digits 8×8", "digits")


def tiny() -> Claim:
    return read_claim(RECORDS / "tiny.toml")


def literature() -> Claim:
    """A claim that is judged by published results alone."""
    return read_claim(find_claim("ninety_nine"))._replace(arms={})


def rows() -> list[dict[str, str]]:
    with (RECORDS / "tiny.csv").open() as file:
        return list(csv.DictReader(file))


def record(
    store: str,
    claim: Claim | None = None,
    lines: Iterable[dict[str, str]] | None = None,
    end_run: bool = True,
) -> str:
    """Write these lines (all) as runs below the claim's parent run; its id."""
    claim = claim or tiny()
    tracking = ExperimentWriter(store, f"claims/{claim.name}", DATA, "cpu", "harness.replicate")
    marks = {CLAIM_SHA256: claim.sha256, QUICK: str(claim.quick).lower()}
    parent = tracking.open_parent(parent_name(claim), "claim", {"claim": claim.name}, marks)
    for line in rows() if lines is None else lines:
        arm, seed, lr = claim.arms[line["arm"]], int(line["seed"]), float(line["lr"])
        if line["kind"] == "tuning":
            config = next(c for c in claim.tuning_configs(arm) if (c.lr, c.seed) == (lr, seed))
        else:
            config = claim.config(arm, seed, lr if arm.tuned else None)
        tried = f" lr {lr:g}" if line["kind"] == "tuning" else ""
        name = f"{arm.name}{tried} seed {seed}"
        run = tracking.start_run(parent, name, line["kind"], config, marks | {ARM: arm.name})
        for epoch in (1, 2):
            if line[f"train_accuracy_{epoch}"]:
                tracking.log_epoch(run, _epoch(line, epoch))
        scored = line["kind"] == "tuning" and line["val_loss_2"]
        tracking.end_run(run, line["state"], metrics={SCORE: float(line["val_loss_2"])} if scored else {})
    if end_run:
        tracking.set_tags(parent, {SEEDS: str(claim.seeds.count), tuned_tag("tuned"): "0.2"})
        tracking.end_run(parent, "complete")
    tracking.close(wait=True)
    return parent


def _epoch(line: dict[str, str], epoch: int) -> EpochMetrics:
    def last(name: str) -> float | None:
        return float(line[name]) if epoch == 2 and line[name] else None

    return EpochMetrics(
        epoch=epoch,
        train_loss=0.5,
        train_accuracy=float(line[f"train_accuracy_{epoch}"]),
        val_loss=last("val_loss_2"),
        val_accuracy=None,
        seconds=0.1,
        samples_per_second=1.0,
        steps=3,
        test_accuracy=last("test_accuracy_2"),
    )
