"""A finished study in numbers and sentences: best config, test accuracy, end states, warnings. Prints nothing."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from harness.cli.console import format_params, format_value
from harness.core.intervals import MeanInterval
from harness.core.language import N_, retold
from harness.core.network import label
from harness.studies.finals import Candidate, FinalResults, FinalRun
from harness.studies.gain import gain_text, no_gain_text, paired_gain
from harness.studies.importances import MIN_TRIALS, Importance, importances
from harness.studies.study import Study
from harness.studies.trial import Trial

_UNSTABLE = N_(
    "{diverged} of the winner's {count} fresh runs diverged: the best config is unstable, and its validation accuracy"
    " is that of a lucky seed"
)
_GUESSES = N_("no trial learned: the best one only guesses; widen the search space")
_AT_EDGE = {
    "low": N_("the best {name} ({value}) is at the low edge of its range; widen it in the search space (--space)"),
    "high": N_("the best {name} ({value}) is at the high edge of its range; widen it in the search space (--space)"),
}
_SHOWN_TRIALS = 10


class Summary(NamedTuple):
    """`importances`: that of each parameter, largest first; {} if too few trials are complete.

    `edges`: "low" or "high" for parameters whose best value is at that end of their range, if it can be widened.
    `copies`: the number of trials that repeat an earlier config. `guessing`: the number that did not learn.
    `final`: the runs after the trials, and the trial that won.
    """

    name: str
    trials: list[Trial]
    states: Counter[str]
    copies: int
    guessing: int
    importances: dict[str, Importance]
    edges: dict[str, str]
    final: FinalResults
    training_seconds: float

    @property
    def best(self) -> Trial:
        """The trial that won."""
        return self.final.winner

    @property
    def test_accuracies(self) -> list[float]:
        """Of the winner's runs that did not diverge."""
        return list(_accuracies(self.final.tested).values())

    @property
    def diverged(self) -> int:
        """The number of the winner's runs that diverged."""
        return len(self.final.tested) - len(self.test_accuracies)

    @property
    def gain(self) -> MeanInterval | None:
        """Over the lesson's setting; None if that won, was not tested, or if a run of either diverged."""
        final = self.final
        accuracies = _accuracies(final.tested), _accuracies(final.baseline)
        if final.is_lesson or not final.baseline or {len(one) for one in accuracies} != {len(final.tested)}:
            return None
        return paired_gain(*accuracies)


def summarise(study: Study, final: FinalResults) -> Summary:
    """The summary of a study whose last runs gave `final`."""
    trials = study.finished()
    outcomes = [trial.outcome for trial in trials if trial.outcome]
    return Summary(
        name=study.name,
        trials=trials,
        states=Counter(outcome.state for outcome in outcomes),
        copies=sum(outcome.same_as is not None for outcome in outcomes),
        guessing=sum(not outcome.learned for outcome in outcomes),
        importances=importances(study.optuna),
        edges=study.space.at_edge(final.winner.params),
        final=final,
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
        return f"no mean: {summary.diverged} of {len(summary.final.tested)} fresh runs diverged{others}"
    if len(accuracies) < 2:
        return each or "not tested"
    return f"{statistics.mean(accuracies):.4f} ± {statistics.stdev(accuracies):.4f} ({each})"


def gain_line(summary: Summary) -> str:
    """`0.8 points [0.3, 1.3] over the lesson's setting`, or the reason why there is no such number."""
    final = summary.final
    if final.is_lesson:
        return "no trial beat the lesson's setting"
    if final.no_baseline:
        return f"the lesson's setting does not fit these data: {final.no_baseline}"
    if summary.gain is not None:
        return gain_text(summary.gain)
    for who, runs in (("the winner", final.tested), ("the lesson's setting", final.baseline)):
        if diverged := len(runs) - len(_accuracies(runs)):
            return no_gain_text(who, diverged, len(runs))
    raise AssertionError("both were tested with every seed, so there is a gain")


def confirmed_lines(candidates: Sequence[Candidate]) -> list[str]:
    """A line for each candidate, the best first: its accuracy in the search and with fresh seeds."""
    ranked = sorted(candidates, key=lambda candidate: -candidate.mean)
    return [f"trial {one.trial.number:<4} {one.trial.value:.4f} in the search, {confirmed_text(one)}" for one in ranked]


def confirmed_text(candidate: Candidate) -> str:
    """`0.8812 with 3 fresh seeds (0.8801, 0.8812, diverged)`; a run that diverged counts as 0."""
    each = ", ".join("diverged" if accuracy is None else f"{accuracy:.4f}" for accuracy in candidate.accuracies)
    return f"{candidate.mean:.4f} with {counted(len(candidate.accuracies), 'fresh seed')} ({each})"


def states_text(summary: Summary) -> str:
    """`30 trials: 18 complete, 11 pruned, 1 diverged`, and how many repeat an earlier config."""
    parts = ", ".join(f"{count} {state}" for state, count in summary.states.most_common())
    copies = f"; {summary.copies} repeat an earlier config, not trained again" if summary.copies else ""
    guessing = f"; {summary.guessing} did not learn" if summary.guessing else ""
    return f"{counted(len(summary.trials), 'trial')}: {parts}{copies}{guessing}"


def counted(count: int, what: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def importances_text(summary: Summary) -> str:
    """`epochs 72% [40, 90], gamma 19% [2, 50], …` with 95 % intervals, or the reason why they are not computed."""
    if not summary.importances:
        return f"not shown: with fewer than {MIN_TRIALS} complete trials that differ, they change from trial to trial"
    shown = summary.importances.items()
    return ", ".join(
        f"{label(name)} {share:.0%} [{low * 100:.0f}, {high * 100:.0f}]" for name, (share, low, high) in shown
    )


def warnings(summary: Summary) -> list[str]:
    """One sentence if runs of the winner diverged, and one for each parameter whose best value is at an edge."""
    is_guess = summary.best.outcome is not None and not summary.best.outcome.learned
    return (
        [_UNSTABLE.format(diverged=summary.diverged, count=len(summary.final.tested))] * bool(summary.diverged)
        + [_GUESSES] * is_guess
        + [
            _AT_EDGE[edge].format(name=label(name), value=f"{summary.best.params[name]:.4g}")
            for name, edge in summary.edges.items()
        ]
    )


def warning_in_language(sentence: str) -> str:
    """One of `warnings`, as it was recorded, in the present language."""
    return retold(sentence, [_UNSTABLE, _GUESSES, *_AT_EDGE.values()])


def markdown(summary: Summary) -> str:
    """The description of the study's parent run: what was found, and a table of the best trials."""
    lines = [
        f"**Best config** (trial {summary.best.number}): {format_params(summary.best.params)}",
        "",
        "| | |",
        "| --- | --- |",
        *([f"| network | `{summary.best.network}` |"] if summary.best.network else []),
        f"| validation accuracy | {summary.best.value:.4f} |",
        f"| test accuracy, mean ± sd of {len(summary.final.tested)} fresh runs | {accuracy_text(summary)} |",
        f"| gain in test accuracy | {gain_line(summary)} |",
        *(f"| confirmed | {line} |" for line in confirmed_lines(summary.final.candidates)),
        f"| trials | {states_text(summary)} |",
        f"| importance | {importances_text(summary)} |",
        f"| training time, all trials | {summary.training_seconds:.0f} s |",
        "",
        *(f"> ⚠ {warning}\n" for warning in warnings(summary)),
        f"| trial | validation accuracy | best epoch | {' | '.join(map(label, summary.best.params))} |",
        f"|{' ---: |' * (3 + len(summary.best.params))}",
    ]
    complete = [trial for trial in summary.trials if trial.outcome and trial.outcome.state == "complete"]
    for trial in sorted(complete, key=lambda trial: -trial.value)[:_SHOWN_TRIALS]:
        assert trial.outcome is not None
        cells = [f"{trial.number}", f"{trial.value:.4f}", f"{trial.outcome.best_metrics['best_epoch']}"]
        lines.append("| " + " | ".join([*cells, *map(format_value, trial.params.values())]) + " |")
    return "\n".join(lines) + "\n"


def _accuracies(runs: Sequence[FinalRun]) -> dict[int, float]:
    """The test accuracy by seed of the runs that did not diverge."""
    return {run.seed: run.test_accuracy for run in runs if run.test_accuracy is not None}
