"""What the user sees while runs train: a live display on a terminal, plain lines anywhere else. Decides nothing."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_STATE_STYLE = {"complete": "green", "pruned": "yellow", "diverged": "red", "failed": "red", "interrupted": "yellow"}


def format_params(params: Mapping[str, Any]) -> str:
    """`lr 0.15 · gamma 0 · …`, with four significant digits."""
    return " · ".join(f"{name} {_format(value)}" for name, value in params.items())


class Console:
    """A context manager: inside it, a progress bar stands below the printed lines."""

    def __init__(self, rich_console: RichConsole | None = None) -> None:
        self._rich = rich_console or RichConsole(highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[suffix]}"),
            console=self._rich,
        )
        self._task = self._progress.add_task("trials", total=None, rate="", suffix="")
        self._epochs = 0
        self._start = time.monotonic()

    def __enter__(self) -> "Console":
        if self._rich.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._rich.is_terminal:
            self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since this console was made."""
        return time.monotonic() - self._start

    def print(self, line: str, style: str = "") -> None:
        """Print one line."""
        self._rich.print(escape(line), style=style or None)

    def warn(self, line: str) -> None:
        """Print a line that starts with "warning: "."""
        self.print(f"warning: {line}", style="bold yellow")

    def print_reading(self, reading: str, warnings: Sequence[str]) -> None:
        """Print how the data were understood, if they come from a file, and what is wrong with them."""
        if reading:
            self.print(reading)
        for warning in warnings:
            self.warn(warning)

    def print_run(self, name: str, state: str, result: str, params: Mapping[str, Any]) -> None:
        """Print one line for a run that has ended."""
        style = _STATE_STYLE[state]
        self._rich.print(f"{name:<20} [{style}]{state:<11}[/] {escape(result):<34} {escape(format_params(params))}")

    def print_fields(self, fields: Mapping[str, str]) -> None:
        """Print names and values in two columns. A value may have several lines."""
        width = max(map(len, fields))
        for name, value in fields.items():
            lines = value.replace("\n", "\n" + " " * (width + 2))
            self._rich.print(f"[bold]{escape(name):<{width}}[/]  {escape(lines)}")

    def set_progress(self, done: int, total: int, what: str = "trials") -> None:
        """Show `done` of `total` in the progress bar."""
        self._progress.update(self._task, completed=done, total=total, description=what)

    def advance(self, remaining: str) -> None:
        """Count one more run as done, and show how long the rest will take."""
        self._progress.update(self._task, advance=1, suffix=remaining)

    def count_epoch(self) -> None:
        """Count one epoch that a worker has finished."""
        self._epochs += 1
        self._progress.update(self._task, rate=f"{self._epochs / max(self.seconds, 1e-9):.1f} epochs/s")

    def show_best(self, value: float, params: Mapping[str, Any]) -> None:
        """Show the best trial so far beside the progress bar."""
        self._progress.update(self._task, suffix=f"best {value:.4f}: {format_params(params)}")


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
