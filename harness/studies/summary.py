"""A finished study in numbers and sentences: best config, test accuracy, end states, warnings. Prints nothing."""

import statistics
from collections import Counter
from typing import NamedTuple

from harness.cli.console import format_params
from harness.studies.importances import MIN_TRIALS, Importance, importances
from harness.studies.study import Study
from harness.studies.trial import Trial
from harness.studies.winner import WinnerRun

_SHOWN_TRIALS = 10


class Summary(NamedTuple):
    """`importances`: that of each parameter, largest first; {} if too few trials are complete.

    `edges`: "low" or "high" for parameters whose best value is at that end of their range, if it can be widened.
    `copies`: the number of trials that repeat an earlier config.
    """

    name: str
    best: Trial
    trials: list[Trial]
    states: Counter[str]
    copies: int
    importances: dict[str, Importance]
    edges: dict[str, str]
    winner: list[WinnerRun]
    training_seconds: float

    @property
    def test_accuracies(self) -> list[float]:
        """Of the winner's runs that did not diverge."""
        return [run.test_accuracy for run in self.winner if run.test_accuracy is not None]

    @property
    def diverged(self) -> int:
        """The number of the winner's runs that diverged."""
        return len(self.winner) - len(self.test_accuracies)


def summarise(study: Study, best: Trial, winner: list[WinnerRun]) -> Summary:
    """The summary of a study whose best trial is `best`."""
    trials = study.finished()
    outcomes = [trial.outcome for trial in trials if trial.outcome]
    return Summary(
        name=study.name,
        best=best,
        trials=trials,
        states=Counter(outcome.state for outcome in outcomes),
        copies=sum(outcome.same_as is not None for outcome in outcomes),
        importances=importances(study.optuna),
        edges=study.space.at_edge(best.params),
        winner=winner,
        training_seconds=sum(outcome.seconds for outcome in outcomes),
    )


def accuracy_text(summary: Summary) -> str:
    """`0.8812 ± 0.0011 (0.8801, 0.8812, 0.8823)`: mean, sample standard deviation, and each run.

    If runs diverged there is no mean, because it would leave out the worst.
    """
    accuracies = summary.test_accuracies
    each = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    if summary.diverged:
        others = f", the others have {each}" if accuracies else ""
        return f"no mean: {summary.diverged} of {len(summary.winner)} fresh runs diverged{others}"
    if len(accuracies) < 2:
        return each or "not tested"
    return f"{statistics.mean(accuracies):.4f} ± {statistics.stdev(accuracies):.4f} ({each})"


def states_text(summary: Summary) -> str:
    """`30 trials: 18 complete, 11 pruned, 1 diverged`, and how many repeat an earlier config."""
    parts = ", ".join(f"{count} {state}" for state, count in summary.states.most_common())
    copies = f"; {summary.copies} repeat an earlier config, not trained again" if summary.copies else ""
    return f"{counted(len(summary.trials), 'trial')}: {parts}{copies}"


def counted(count: int, what: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def importances_text(summary: Summary) -> str:
    """`epochs 72% [40, 90], gamma 19% [2, 50], …` with 95 % intervals, or the reason why they are not computed."""
    if not summary.importances:
        return f"not shown: with fewer than {MIN_TRIALS} complete trials that differ, they change from trial to trial"
    shown = summary.importances.items()
    return ", ".join(f"{name} {share:.0%} [{low * 100:.0f}, {high * 100:.0f}]" for name, (share, low, high) in shown)


def warnings(summary: Summary) -> list[str]:
    """One sentence if runs of the winner diverged, and one for each parameter whose best value is at an edge."""
    unstable = (
        f"{summary.diverged} of the winner's {len(summary.winner)} fresh runs diverged: the best config is unstable,"
        " and its validation accuracy is that of a lucky seed"
    )
    return [unstable] * bool(summary.diverged) + [
        f"the best {name} ({summary.best.params[name]:.4g}) is at the {edge} edge of its range; widen it"
        for name, edge in summary.edges.items()
    ]


def markdown(summary: Summary) -> str:
    """The description of the study's parent run: what was found, and a table of the best trials."""
    lines = [
        f"**Best config** (trial {summary.best.number}): {format_params(summary.best.params)}",
        "",
        "| | |",
        "| --- | --- |",
        f"| validation accuracy | {summary.best.value:.4f} |",
        f"| test accuracy, mean ± sd of {len(summary.winner)} fresh runs | {accuracy_text(summary)} |",
        f"| trials | {states_text(summary)} |",
        f"| importance | {importances_text(summary)} |",
        f"| training time, all trials | {summary.training_seconds:.0f} s |",
        "",
        *(f"> ⚠ {warning}\n" for warning in warnings(summary)),
        "| trial | validation accuracy | best epoch | lr | gamma | batch_size | epochs | batch_norm |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | :---: |",
    ]
    complete = [trial for trial in summary.trials if trial.outcome and trial.outcome.state == "complete"]
    for trial in sorted(complete, key=lambda trial: -trial.value)[:_SHOWN_TRIALS]:
        assert trial.outcome is not None
        cells = [f"{trial.number}", f"{trial.value:.4f}", f"{trial.outcome.best_metrics['best_epoch']}"]
        cells += [f"{trial.params[name]:.4g}" for name in ("lr", "gamma", "batch_size", "epochs")]
        lines.append("| " + " | ".join([*cells, "on" if trial.params["batch_norm"] else "off"]) + " |")
    return "\n".join(lines) + "\n"
