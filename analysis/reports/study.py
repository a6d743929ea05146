"""The report of a search: a table on the screen and one page. Every number comes from MLflow, with its run ids."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import typer

from analysis.evidence.studies import StudyFrames, study_frames
from analysis.judging.stats import MeanInterval, mean_interval
from analysis.rendering import study_plots
from analysis.rendering.export import exported
from analysis.rendering.files import environment, inline, png_of, write_files
from harness.core.defaults import LESSON, SEARCHED
from harness.core.errors import UserError
from harness.storage.checks import tracking_uri
from harness.storage.urls import without_password
from harness.studies.gain import gain_text, paired_gain
from harness.tracking.reader import ExperimentReader, deleted_error, parents_anywhere

_COLUMNS = ["trial", "state", "val_accuracy", "best_epoch", *SEARCHED, "run_id"]
_CAUTION = (
    "A search looks for a good config; it is not evidence about its parameters. Its trials are chosen by looking at"
    " earlier ones, pruned, and share one seed. The best of many validation accuracies is optimistic; the test"
    " accuracies of the fresh runs are not."
)


class _Best(NamedTuple):
    """The best trial, its winner's runs, and the interval of their test accuracy."""

    trial: "pd.Series[Any]"
    runs: pd.DataFrame
    test: MeanInterval


def write_report(study: str, out: Path, formats: Sequence[str] = ()) -> None:
    """Print the report of a study (the newest if `study` is "") and write its page, and its trials in these formats.

    Raises `UserError` if there is no such study, or if its records are not acceptable.
    """
    frames = _read(tracking_uri(), study)
    typer.echo(_text(frames))
    typer.echo(f"\npage: {_write_page(frames, out)}")
    if formats:
        files = write_files(out, exported(_file_name(frames), {"trials": frames.trials}, formats))
        typer.echo(f"exported: {', '.join(map(str, files))}")


def _read(uri: str, study: str) -> StudyFrames:
    known = []
    for experiment, run in parents_anywhere(uri, "study"):
        if study in ("", run.name):
            return study_frames(ExperimentReader(uri, experiment), experiment, run.name)
        known.append(run.name)
    for _experiment, run in parents_anywhere(uri, "study", deleted=True):
        if run.name == study:
            raise deleted_error("study", run)
    wanted = f"no study is called {study!r}" if study else "no study is recorded"
    there = f"there are: {', '.join(known)}" if known else "run harness.search first"
    raise UserError(f"{wanted} in {without_password(uri)}; {there}")


def _best(frames: StudyFrames) -> _Best:
    best = frames.trials[frames.trials["trial"] == frames.best].iloc[0]
    runs = frames.winner[frames.winner["trial"] == frames.best]
    return _Best(best, runs, mean_interval(runs["test_accuracy"].dropna().tolist(), within=(0.0, 1.0)))


def _text(frames: StudyFrames) -> str:
    best = _best(frames)
    trial = best.trial
    states = ", ".join(f"{count} {state}" for state, count in frames.trials["state"].value_counts().items())
    return "\n".join(
        [
            *(f"warning: {sentence}" for sentence in frames.lacks),
            f"study {frames.name} ({frames.experiment}, run {frames.parent_id})",
            f"data  SHA-256 {frames.dataset_sha256}",
            f"trials  {len(frames.trials)}: {states}",
            f"best  trial {trial['trial']}, validation accuracy {trial['val_accuracy']:.4f} (run {trial['run_id']})",
            *(f"confirmed  {line}" for line in _confirmed(frames)),
            f"test  {_interval(best)} (runs {', '.join(best.runs['run_id'])})",
            *(f"gain  {line}" for line in filter(None, [_gain(frames)])),
            "",
            _ranked(frames).head(10).to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.4g}"),
            "",
            *filter(None, [_earlier_winners(frames), _before_digests(frames)]),
            _CAUTION,
        ]
    )


def _ranked(frames: StudyFrames) -> pd.DataFrame:
    """All trials as they are shown, the best first."""
    return _readable(frames)[_COLUMNS].sort_values("val_accuracy", ascending=False)


def _readable(frames: StudyFrames) -> pd.DataFrame:
    """The trials, with "on" and "off" for batch_norm, and "did not learn" as a state."""
    state = frames.trials["state"].where(frames.trials["learned"], "did not learn")
    return frames.trials.assign(batch_norm=frames.trials["batch_norm"].map({True: "on", False: "off"}), state=state)


def _earlier_winners(frames: StudyFrames) -> str:
    """The trials that had won while the study was smaller, or ""."""
    others = [f"trial {trial}" for trial in frames.winner["trial"].unique() if trial != frames.best]
    if not others or frames.lacks:
        return ""
    return f"{', '.join(others).capitalize()} had won before, and the test set was used for that winner too."


def _before_digests(frames: StudyFrames) -> str:
    if not frames.before_digests:
        return ""
    return f"{frames.before_digests} runs were recorded before digests: a change of their numbers would go unnoticed."


def _confirmed(frames: StudyFrames) -> list[str]:
    """A sentence for each trial that was confirmed, the best mean first; a run that diverged counts as 0."""
    runs = frames.confirmation.fillna({"val_accuracy": 0.0}).groupby("trial")["val_accuracy"]
    searched = frames.trials.set_index("trial")["val_accuracy"].to_dict()
    return [
        f"trial {trial}: {searched.get(trial, math.nan):.4f} in the search, {mean:.4f} with {count} fresh seeds"
        for trial, mean, count in sorted(
            zip(runs.groups, runs.mean(), runs.size(), strict=True), key=lambda row: -row[1]
        )
    ]


def _gain(frames: StudyFrames) -> str:
    """The paired gain over the lesson's setting; "" if that was not tested with the winner's seeds, or one diverged."""
    params = frames.trials[frames.trials["trial"] == frames.best].iloc[0]
    if all(params[name] == value for name, value in LESSON.items()):
        return "no trial beat the lesson's setting"
    winner = frames.winner[frames.winner["trial"] == frames.best]
    pairs = winner.merge(frames.baseline, on="seed", suffixes=("", "_lesson"))
    if pairs.empty or pairs[["test_accuracy", "test_accuracy_lesson"]].isna().any(axis=None):
        return ""
    seeds = pairs["seed"].tolist()
    columns = (pairs[name].tolist() for name in ("test_accuracy", "test_accuracy_lesson"))
    return gain_text(paired_gain(*(dict(zip(seeds, column, strict=True)) for column in columns)))


def _interval(best: _Best) -> str:
    test, runs = best.test, len(best.runs)
    if not runs:
        return "no run of the winner is there: it was deleted, or the search did not get so far"
    if test.n < runs:
        others = ", ".join(f"{accuracy:.4f}" for accuracy in best.runs["test_accuracy"].dropna())
        each = f"; accuracy of the others: {others}" if others else ""
        return f"{runs - test.n} of {runs} fresh seeds diverged, so there is no mean accuracy{each}"
    if test.n == 1:
        return f"accuracy {test.mean:.4f}, one fresh seed and so no interval"
    return (
        f"accuracy {test.mean:.4f}, {test.level:.0%} t interval {test.low:.4f} to {test.high:.4f},"
        f" {test.n} fresh seeds, sd {test.sd:.4f}"
    )


def _write_page(frames: StudyFrames, out: Path) -> Path:
    best = _best(frames)
    number = int(best.trial["trial"])
    figures = {
        "Validation accuracy of each trial by epoch": study_plots.learning_curves(frames.epochs, number),
        "Validation accuracy by each parameter": study_plots.parameter_slices(_readable(frames), number),
    }
    page = (
        environment()
        .get_template("study.html.jinja")
        .render(
            name=frames.name,
            experiment=frames.experiment,
            interval=_interval(best),
            confirmed=_confirmed(frames),
            gain=_gain(frames),
            caution=_CAUTION,
            pictures=[{"caption": caption, "data": inline(png_of(figure))} for caption, figure in figures.items()],
            trials=_ranked(frames).to_html(
                index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.4g}"
            ),
            winner=best.runs.to_html(index=False, border=0, float_format=lambda value: f"{value:.4f}"),
            earlier=_earlier_winners(frames),
            before_digests=_before_digests(frames),
            lacks=frames.lacks,
        )
    )
    (path,) = write_files(out, {f"{_file_name(frames)}.html": page.encode()})
    return path


def _file_name(frames: StudyFrames) -> str:
    return frames.name.replace(":", "_")
