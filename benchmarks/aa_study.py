"""The instrument tested on itself, on real training runs: an arm against itself must not be called an effect.

Trains one arm (the lesson's settings, one epoch of Fashion-MNIST) under many seeds. Then draws thousands of A/A studies
from these runs: ten of them against ten others, paired at random, judged as a claim is. At most 5 % may have p < 0.05,
and 93 to 97 % of the 95 % intervals must hold 0. Studies share runs, so that the figures have an error of their own:
the script repeats them on the two halves of the runs. `--quick`: few runs of scikit-learn's digits.
"""

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from analysis.judging.stats import paired_effect
from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.choice import DataChoice
from harness.data.load import load
from harness.engines.base import Epoch, Job
from harness.engines.local import LocalEngine
from harness.engines.machine import physical_cores
from harness.engines.pool import Pool
from harness.training.stacked.matmul_backend import choose_matmul_backend

PAIRS, FIRST_SEED = 10, 10_000


def accuracies(dataset_name: str, runs: int) -> dict[str, list[float]]:
    """Training and test accuracy (points) after one epoch, for seeds 10,000 on."""
    dataset = load(DataChoice(dataset_name))
    jobs = [
        Job(str(seed), make_config(**LESSON | {"epochs": 1, "seed": seed, "dataset": dataset.name, "split": "lesson"}),
            watch_test=True)
        for seed in range(FIRST_SEED, FIRST_SEED + runs)
    ]  # fmt: skip
    found: dict[str, dict[str, float]] = {"train_accuracy": {}, "test_accuracy": {}}
    with closing(LocalEngine(dataset, Pool(physical_cores()), "cpu", choose_matmul_backend())) as engine:
        for event in engine.execute(jobs, None):
            if isinstance(event, Epoch):
                found["train_accuracy"][event.job.name] = event.metrics.train_accuracy * 100
                found["test_accuracy"][event.job.name] = (event.metrics.test_accuracy or 0.0) * 100
    return {name: [by_seed[job.name] for job in jobs] for name, by_seed in found.items()}


def a_a(values: list[float], studies: int, rng: np.random.Generator) -> tuple[float, float]:
    """The share of A/A studies with p < 0.05, and the share whose interval holds 0."""
    called = covered = 0
    for _ in range(studies):
        drawn = rng.permutation(values)
        effect = paired_effect((drawn[:PAIRS] - drawn[PAIRS : 2 * PAIRS]).tolist(), rng)
        called += effect.p < 0.05
        covered += effect.low <= 0 <= effect.high
    return called / studies, covered / studies


def main() -> None:
    """Train, judge, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--studies", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="60 runs of the digits, 200 studies")
    parser.add_argument("--out", type=Path, default=Path("reports/aa_study.json"))
    given = parser.parse_args()
    runs, studies = (60, 200) if given.quick else (given.runs, given.studies)
    if runs < 4 * PAIRS:
        parser.error(f"--runs is {runs}: it should be at least {4 * PAIRS}, two halves of two times {PAIRS}")
    measured = accuracies("digits" if given.quick else "fashion-mnist", runs)
    rng = np.random.default_rng(1)
    results = {}
    print(f"{runs} runs of one arm, {studies} A/A studies of {PAIRS} pairs each")
    for name, values in measured.items():
        half = runs // 2
        parts = {"all runs": values, "first half": values[:half], "second half": values[half:]}
        for part, chosen in parts.items():
            called, covered = a_a(chosen, studies, rng)
            results[f"{name}, {part}"] = {"called an effect": called, "interval holds 0": covered}
            print(f"{name:<15} {part:<12} called an effect {called:.1%}   interval holds 0 {covered:.1%}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"runs": runs, "studies": studies, "pairs": PAIRS, "results": results}, indent=1))
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
