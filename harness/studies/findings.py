"""What a recorded study found, in sentences: test accuracy, confirmation, gain, and cautions. Computes no runs."""

import math
from typing import Any

import pandas as pd

from harness.core.defaults import LESSON, OPTIONAL
from harness.core.intervals import mean_interval
from harness.core.language import N_, _
from harness.studies.frames import SWITCHES, StudyFrames
from harness.studies.gain import gain_text, no_gain_text, paired_gain

CAUTION = N_(
    "A search looks for a good config; it is not evidence about its parameters. Its trials are chosen by looking at"
    " earlier ones, pruned, and share one seed. The best of many validation accuracies is optimistic; the test"
    " accuracies of the fresh runs are not."
)


def best_trial(frames: StudyFrames) -> "pd.Series[Any]":
    """The row of the trial that won."""
    return frames.trials[frames.trials["trial"] == frames.best].iloc[0]


def winner_runs(frames: StudyFrames) -> pd.DataFrame:
    """The runs that tested the winner; earlier winners have runs too."""
    return frames.winner[frames.winner["trial"] == frames.best]


def ranked(frames: StudyFrames) -> pd.DataFrame:
    """All trials, the best first, with the words for on and off for switches, and "did not learn" as a state.

    `is_complete`: whether a trial trained all its epochs, also if it did not learn.
    """
    is_complete = frames.trials["state"] == "complete"
    state = frames.trials["state"].where(frames.trials["learned"], N_("did not learn"))
    names = (*SWITCHES, *(name for name in frames.names if frames.trials[name].dtype == bool))
    switches = {name: frames.trials[name].map({True: _("on"), False: _("off")}) for name in names}
    shown = frames.trials.assign(state=state, is_complete=is_complete, **switches)
    return shown.sort_values("val_accuracy", ascending=False, kind="stable", ignore_index=True)


def states_text(frames: StudyFrames) -> str:
    """`30: 18 complete, 12 pruned`."""
    counts = frames.trials["state"].value_counts().items()
    states = [_("{count} {state}").format(count=count, state=_(str(state))) for state, count in counts]
    return _("{n}: {states}").format(n=len(frames.trials), states=_(", ").join(states))


def test_text(frames: StudyFrames) -> str:
    """`accuracy 0.8798, 95% t interval 0.8769 to 0.8827, …`, or why there is no such number."""
    runs = winner_runs(frames)
    test = mean_interval(runs["test_accuracy"].dropna().tolist(), within=(0.0, 1.0))
    if runs.empty:
        return _("no run of the winner is there: it was deleted, or the search did not get so far")
    if test.n < len(runs):
        others = [f"{accuracy:.4f}" for accuracy in runs["test_accuracy"].dropna()]
        text = _("{diverged} of {n} fresh seeds diverged, so there is no mean accuracy")
        if others:
            text = _(
                "{diverged} of {n} fresh seeds diverged, so there is no mean accuracy; accuracy of the others: {others}"
            )
        return text.format(diverged=len(runs) - test.n, n=len(runs), others=_(", ").join(others))
    if test.n == 1:
        return _("accuracy {mean:.4f}, one fresh seed and so no interval").format(mean=test.mean)
    text = _("accuracy {mean:.4f}, {level:.0%} t interval {low:.4f} to {high:.4f}, {n} fresh seeds, sd {sd:.4f}")
    return text.format(**test._asdict())


def confirmed_texts(frames: StudyFrames) -> list[str]:
    """A sentence for each trial that was confirmed, the best mean first; a run that diverged counts as 0."""
    runs = frames.confirmation.fillna({"val_accuracy": 0.0}).groupby("trial")["val_accuracy"]
    searched = frames.trials.set_index("trial")["val_accuracy"].to_dict()
    text = _("trial {trial}: {searched:.4f} in the search, {mean:.4f} with {count} fresh seeds")
    return [
        text.format(trial=trial, searched=searched.get(trial, math.nan), mean=mean, count=count)
        for trial, mean, count in sorted(
            zip(runs.groups, runs.mean(), runs.size(), strict=True), key=lambda row: -row[1]
        )
    ]


def gain_sentence(frames: StudyFrames) -> str:
    """The paired gain over the lesson's setting, or why there is none; "" if the two share no seed."""
    trial = best_trial(frames)
    if not trial["network"] and all(trial[name] == value for name, value in (LESSON | OPTIONAL).items()):
        return _("no trial beat the lesson's setting")
    pairs = winner_runs(frames).merge(frames.baseline, on="seed", suffixes=("", "_lesson"))
    if pairs.empty:
        return ""
    for who, column in ((_("the winner"), "test_accuracy"), (_("the lesson's setting"), "test_accuracy_lesson")):
        if diverged := int(pairs[column].isna().sum()):
            return no_gain_text(who, diverged, len(pairs))
    seeds = pairs["seed"].tolist()
    columns = (pairs[name].tolist() for name in ("test_accuracy", "test_accuracy_lesson"))
    return gain_text(paired_gain(*(dict(zip(seeds, column, strict=True)) for column in columns)))


def earlier_winners(frames: StudyFrames) -> str:
    """The trials that had won while the study was smaller, or ""."""
    others = [
        _("trial {trial}").format(trial=trial) for trial in frames.winner["trial"].unique() if trial != frames.best
    ]
    if not others or frames.lacks:
        return ""
    text = _("{trials} had won before, and the test set was used for that winner too.")
    return text.format(trials=_(", ").join(others).capitalize())


def before_digests(frames: StudyFrames) -> str:
    """How many runs no digest covers, or ""."""
    if not frames.before_digests:
        return ""
    text = _("{count} runs were recorded before digests: a change of their numbers would go unnoticed.")
    return text.format(count=frames.before_digests)
