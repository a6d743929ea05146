"""`python -m analysis.study`: the report of a search, on the screen and as one self-contained HTML page.

Every number comes from MLflow alone, and the run ids it came from stand beside it.
"""

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import command
from harness.cli.options import Debug
from harness.core.defaults import SEARCHED
from harness.core.errors import UserError
from harness.storage.checks import check_name, check_tracking, tracking_uri
from harness.storage.urls import without_password

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from analysis.evidence.studies import StudyFrames
    from analysis.judging.stats import MeanInterval

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_COLUMNS = ["trial", "state", "val_accuracy", "best_epoch", *SEARCHED, "run_id"]
_CAUTION = (
    "A search looks for a good config; it is no evidence about its parameters. Its trials are chosen by looking at"
    " earlier ones, pruned, and share one seed. The best of many validation accuracies is optimistic; the test"
    " accuracies of the fresh runs are not."
)


@app.command()
def main(
    study: Annotated[str, typer.Option(help="Name of the study.", show_default="the newest")] = "",
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("reports"),
    debug: Debug = False,
) -> None:
    """Report a finished search from what MLflow recorded of it."""
    with command.one_line_endings(debug):
        check_name(study)
        uri = tracking_uri()
        check_tracking(uri)
        frames = _read(uri, study)
        typer.echo(_text(frames))
        typer.echo(f"\npage: {_write_page(frames, out)}")


def _read(uri: str, study: str) -> "StudyFrames":
    from analysis.evidence.studies import study_frames
    from harness.tracking.reader import Records, parents_anywhere

    known = []
    for experiment, run in parents_anywhere(uri, "study"):
        if study in ("", run.name):
            return study_frames(Records(uri, experiment), experiment, run.name)
        known.append(run.name)
    wanted = f"no study is called {study!r}" if study else "no study is recorded"
    there = f"there are: {', '.join(known)}" if known else "run harness.search first"
    raise UserError(f"{wanted} in {without_password(uri)}; {there}")


def _best(frames: "StudyFrames") -> "pd.Series[Any]":
    complete = frames.trials[frames.trials["state"] == "complete"]
    return complete.sort_values("val_accuracy", ascending=False, kind="stable").iloc[0]


def _tests(frames: "StudyFrames") -> "tuple[pd.DataFrame, MeanInterval]":
    from analysis.judging.stats import mean_interval

    runs = frames.winner[frames.winner["trial"] == _best(frames)["trial"]]
    return runs, mean_interval(runs["test_accuracy"].tolist())


def _text(frames: "StudyFrames") -> str:
    best, (runs, test) = _best(frames), _tests(frames)
    states = ", ".join(f"{count} {state}" for state, count in frames.trials["state"].value_counts().items())
    return "\n".join(
        [
            f"study {frames.name} ({frames.experiment}, run {frames.parent_id})",
            f"data  SHA-256 {frames.dataset_sha256}",
            f"trials  {len(frames.trials)}: {states}",
            f"best  trial {best['trial']}, validation accuracy {best['val_accuracy']:.4f} (run {best['run_id']})",
            f"test  {_interval(test)} (runs {', '.join(runs['run_id'])})",
            "",
            _ranked(frames).head(10).to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.4g}"),
            "",
            *filter(None, [_earlier(frames)]),
            _CAUTION,
        ]
    )


def _ranked(frames: "StudyFrames") -> "pd.DataFrame":
    """All trials, the best first, as they are shown."""
    return _shown(frames)[_COLUMNS].sort_values("val_accuracy", ascending=False)


def _shown(frames: "StudyFrames") -> "pd.DataFrame":
    """The trials, with what is true or false in words."""
    return frames.trials.assign(batch_norm=frames.trials["batch_norm"].map({True: "on", False: "off"}))


def _earlier(frames: "StudyFrames") -> str:
    """Which other trials had won while the study had fewer, or ""."""
    best = _best(frames)["trial"]
    others = [f"trial {trial}" for trial in frames.winner["trial"].unique() if trial != best]
    if not others:
        return ""
    return f"The study grew: {', '.join(others)} had won before, and the test set was used for that winner too."


def _interval(test: "MeanInterval") -> str:
    return (
        f"accuracy {test.mean:.4f}, {test.level:.0%} t interval {test.low:.4f} to {test.high:.4f},"
        f" {test.n} fresh seeds, sd {test.sd:.4f}"
    )


def _write_page(frames: "StudyFrames", out: Path) -> Path:
    from analysis.rendering import study_plots

    best = int(_best(frames)["trial"])
    runs, test = _tests(frames)
    pictures = {
        "Validation accuracy of each trial by epoch": study_plots.learning_curves(frames.epochs, best),
        "Validation accuracy by each parameter": study_plots.parameter_slices(_shown(frames), best),
    }
    page = _PAGE.format(
        name=html.escape(frames.name),
        experiment=html.escape(frames.experiment),
        interval=html.escape(_interval(test)),
        caution=html.escape(_CAUTION),
        pictures="\n".join(f'<img alt="{alt}" src="{_png(figure)}">' for alt, figure in pictures.items()),
        table=_ranked(frames).to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.4g}"),
        winner=runs.to_html(index=False, border=0, float_format=lambda value: f"{value:.4f}"),
        earlier=html.escape(_earlier(frames)),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"{frames.name.replace(':', '_')}.html"
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the page to {out} ({error.strerror}); choose a folder with --out") from None
    return path


def _png(figure: "Figure") -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
img {{ max-width: 100%; height: auto; margin: 1rem 0 }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: 0.85rem; white-space: nowrap }}
th, td {{ padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid #ddd }}
</style></head><body>
<h1>{name}</h1>
<p>{experiment} · test {interval}</p>
{pictures}
<p>{caution}</p>
<h2>Trials</h2><div class="wide">{table}</div>
<h2>Runs of the winner, tested once each</h2><div class="wide">{winner}</div>
<p>{earlier}</p>
</body></html>
"""

if __name__ == "__main__":
    command.run(app)
