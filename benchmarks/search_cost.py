"""What a search costs end to end: `python -m harness.search` against Optuna with Lightning and its MLflow logger.

First the search itself, as a person types it: 30 trials, tracking, plots, and on top what follows the trials. Then the
same 30 configs, each for as many epochs as it was trained here, as others would run them: Optuna asks, Lightning trains
and validates, its MLflow logger records, Optuna's plots are made; without a winner. Writes JSON and a picture.
`--quick`: few trials of scikit-learn's digits.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

import torch
from bench import fashion_mnist, seconds_of, with_data_dir, write
from mlflow import MlflowClient
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from harness.data.choice import DataChoice
from harness.data.dataset import Dataset, split_indices
from harness.data.load import load
from harness.tracking.reader import ExperimentReader, TrackedRun
from harness.tracking.schema import KIND

SEED = 420


def our_search(folder: Path, trials: int, dataset: str, data_dir: Path, study: str = "first") -> float:
    """Seconds of the whole command, from typing it to its last line."""
    command = [sys.executable, "-m", "harness.search", "--trials", str(trials), "--seed", str(SEED)]
    command += ["--dataset", dataset, "--data-dir", str(data_dir), "--study", study]
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    return seconds_of(lambda: subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL))


def trials_of(folder: Path, dataset: str, study_name: str = "first") -> list[TrackedRun]:
    """The trials that were trained, by number."""
    records = ExperimentReader(f"sqlite:///{folder}/mlflow.db", f"search/{dataset}")
    (study,) = records.parents("study", study_name)
    runs = [run for run in records.children(study.id) if run.tags[KIND] == "trial" and "epoch_seconds" in run.metrics]
    return sorted(runs, key=lambda run: int(run.tags["harness.trial"]))


def times_of(folder: Path, run: TrackedRun) -> tuple[float, float]:
    """When it was handed to a worker, and when it ended, in seconds since 1970."""
    info = MlflowClient(f"sqlite:///{folder}/mlflow.db").get_run(run.id).info
    return info.start_time / 1000, info.end_time / 1000


def epochs_of(folder: Path, run: TrackedRun, dataset: str) -> int:
    """For how many epochs it was trained."""
    records = ExperimentReader(f"sqlite:///{folder}/mlflow.db", f"search/{dataset}")
    return len(records.history(run, "train_loss"))


def _loader(x: torch.Tensor, y: torch.Tensor, size: int, shuffle: bool) -> "DataLoader[Any]":
    """Whole batches taken from tensors in memory: the fastest loader that there is for these."""
    data = TensorDataset(x, y)
    order: Any = RandomSampler(data) if shuffle else SequentialSampler(data)
    return DataLoader(data, sampler=BatchSampler(order, size, drop_last=False), batch_size=None)


def their_search(folder: Path, configs: list[tuple[dict[str, str], int]], dataset: Dataset) -> float:
    """Seconds for the same configs and epochs with Optuna, Lightning and its MLflow logger, in one process."""
    import lightning as L
    import optuna
    from lightning.pytorch.loggers import MLFlowLogger

    for name in ("lightning.pytorch", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    part = split_indices(dataset.train_labels, "search", SEED)
    level = dataset.max_level or 1
    x, y = dataset.train_inputs.unsqueeze(1).float() / level, dataset.train_labels
    pixels = x[0].numel()

    class Lesson(L.LightningModule):
        def __init__(self, params: dict[str, str]) -> None:
            super().__init__()
            norm = nn.BatchNorm2d(1) if params["batch_norm"] == "True" else nn.Identity()
            self.net = nn.Sequential(
                norm, nn.Flatten(), nn.Linear(pixels, 128, bias=False), nn.ReLU(), nn.Linear(128, 10, bias=False)
            )
            self.params = params

        def training_step(self, batch: Any) -> torch.Tensor:
            loss, accuracy = self._measure(batch)
            self.log_dict({"train_loss": loss, "train_accuracy": accuracy}, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any) -> None:
            loss, accuracy = self._measure(batch)
            self.log_dict({"val_loss": loss, "val_accuracy": accuracy})

        def configure_optimizers(self) -> torch.optim.Optimizer:
            lr, gamma = float(self.params["lr"]), float(self.params["gamma"])
            return torch.optim.SGD(self.parameters(), lr=lr, momentum=gamma)

        def _measure(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
            inputs, labels = batch
            logits = self.net(inputs)
            right = (logits.argmax(dim=1) == labels).float().mean()
            return nn.functional.cross_entropy(logits, labels), right

    study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db", direction="maximize")
    for number in range(len(configs)):
        study.enqueue_trial({"number": number})

    def objective(trial: optuna.Trial) -> float:
        params, epochs = configs[trial.suggest_int("number", 0, len(configs) - 1)]
        logger = MLFlowLogger(
            "lightning", tracking_uri=f"sqlite:///{folder}/mlflow.db", run_name=f"trial {trial.number}"
        )
        logger.log_hyperparams(params)
        trainer = L.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=logger, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0,
        )  # fmt: skip
        size = int(params["batch_size"])
        trainer.fit(
            Lesson(params),
            _loader(x[part.train], y[part.train], size, shuffle=True),
            _loader(x[part.validation], y[part.validation], 1_000, shuffle=False),
        )
        return float(trainer.callback_metrics["val_accuracy"])

    def search() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.optimize(objective, n_trials=len(configs))
            for plot in (optuna.visualization.plot_optimization_history, optuna.visualization.plot_slice):
                plot(study).write_html(folder / f"{plot.__name__}.html")

    return seconds_of(search)


def tracking_share(dataset: str, epochs: Sequence[int], seconds: float) -> float:
    """What MLflow's calls for trials of so many epochs each cost, made again alone, as a share of `seconds`.

    Not in it: MLflow's import, the making of its tables, the winner's model.
    """
    from harness.core.config import make_config
    from harness.core.metrics import EpochMetrics
    from harness.data.dataset import record_of
    from harness.tracking.writer import ExperimentWriter

    with tempfile.TemporaryDirectory() as place:
        data = record_of(load(DataChoice("digits")))
        tracking = ExperimentWriter(f"sqlite:///{place}/mlflow.db", "search/digits", data, "cpu")
        parent = tracking.open_parent("study", "study", {})
        config = make_config(
            lr=0.1, gamma=0.0, batch_size=32, epochs=1, batch_norm=False, seed=1, dataset=dataset, split="search"
        )
        start = time.perf_counter()
        for trial, last in enumerate(epochs):
            run_id = tracking.start_run(parent, f"trial {trial}", "trial", config, {})
            for epoch in range(1, last + 1):
                tracking.log_epoch(run_id, EpochMetrics(epoch, 0.5, 0.8, 0.5, 0.8, 1.0, 5e4, 391))
            tracking.end_run(run_id, "complete")
        tracking.close(wait=True)
        return (time.perf_counter() - start) / seconds


def main() -> None:
    """Print both costs and their ratio, write JSON and a picture."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--quick", action="store_true", help="4 trials of the digits")
    parser.add_argument("--out", type=Path, default=Path("reports/search_cost.json"))
    given = parser.parse_args()
    name, trials = ("digits", 4) if given.quick else ("fashion-mnist", 30)
    dataset = load(DataChoice(name)) if given.quick else fashion_mnist(parser, given.data_dir)
    results: dict[str, Any] = {"trials": trials, "dataset": name}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        begun = time.time()
        results["this_project_seconds"] = ours = our_search(folder, trials, name, given.data_dir.absolute())
        print(f"this project, {trials} trials and its winner: {ours:.1f} s")
        runs = trials_of(folder, name)
        starts, ends = zip(*(times_of(folder, run) for run in runs), strict=True)
        results["first_trial_after_seconds"] = wait = min(starts) - begun
        results["trials_seconds"] = max(ends) - min(starts)
        print(f"from the command to its first trial, in an empty folder: {wait:.1f} s")
        begun = time.time()
        our_search(folder, 1, name, given.data_dir.absolute(), "second")
        (run,) = trials_of(folder, name, "second")
        results["first_trial_again_after_seconds"] = wait = times_of(folder, run)[0] - begun
        print(f"where databases are there already: {wait:.1f} s")
        configs = [(dict(run.params), epochs_of(folder, run, name)) for run in runs]
        epochs = [count for _, count in configs]
        results["epochs"] = sum(epochs)
        results["tracking_share"] = share = tracking_share(name, epochs, ours)
        print(f"of that, MLflow's calls for {len(runs)} trials and {sum(epochs)} epochs: {share:.1%}")
    try:
        import lightning  # noqa: F401
    except ImportError:
        print("skipped, as it is not installed: Optuna with Lightning   (pip install '.[bench]')")
    else:
        with tempfile.TemporaryDirectory() as place:
            theirs = their_search(Path(place), configs, dataset)
        results |= {"optuna_lightning_mlflow_seconds": theirs, "ratio": theirs / ours}
        print(f"the same configs and epochs with Optuna, Lightning and its MLflow logger: {theirs:.1f} s")
        print(f"{theirs / ours:.1f} times as long, without a winner")
    write(given.out, results)
    picture(results, given.out.with_suffix(".png"))


def picture(results: dict[str, Any], path: Path) -> None:
    """A bar for each side, this project's in three parts."""
    import matplotlib.pyplot as plt
    import pandas as pd
    import seaborn as sns

    ours, start, trials = (
        results[name] for name in ("this_project_seconds", "first_trial_after_seconds", "trials_seconds")
    )
    bars = {"this project": {"start": start, "trials": trials, "winner, page, end": ours - start - trials}}
    if "ratio" in results:
        bars["Optuna, Lightning, MLflow"] = {"trials": results["optuna_lightning_mlflow_seconds"]}
    sns.set_theme(style="whitegrid", palette="colorblind")
    figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
    pd.DataFrame(bars).T.iloc[::-1].plot.barh(stacked=True, width=0.6, ax=axes)
    axes.set(xlabel="seconds", ylabel="")
    axes.set_title(f"A search of {results['trials']} trials, from the command to its end", loc="left")
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=150)
    print(f"drawn to {path}")


if __name__ == "__main__":
    main()
