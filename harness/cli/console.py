"""What a person sees while a search runs: a live display on a terminal, plain lines anywhere else. Decides nothing."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_STATE_STYLE = {"complete": "green", "pruned": "yellow", "diverged": "red", "failed": "red", "interrupted": "yellow"}


def show_params(params: Mapping[str, Any]) -> str:
    """`lr 0.15 · gamma 0 · …`, numbers to four digits."""
    return " · ".join(f"{name} {_value(value)}" for name, value in params.items())


class Screen:
    """A context: inside it, a progress display stands below the lines that `say` and `trial` print."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[best]}"),
            console=self.console,
        )
        self._task = self._progress.add_task("trials", total=None, rate="", best="")
        self._epochs = 0
        self._start = time.monotonic()

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.console.is_terminal:
            self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since this screen was made."""
        return time.monotonic() - self._start

    def say(self, line: str, style: str = "") -> None:
        self.console.print(escape(line), style=style or None)

    def warn(self, line: str) -> None:
        self.say(f"warning: {line}", style="bold yellow")

    def progress(self, done: int, total: int, what: str = "trials") -> None:
        self._progress.update(self._task, completed=done, total=total, description=what)

    def run_done(self, remaining: str) -> None:
        """Count one run, and show how long the rest will take."""
        self._progress.update(self._task, advance=1, best=remaining)

    def epoch(self) -> None:
        """Count one epoch that some worker has finished."""
        self._epochs += 1
        self._progress.update(self._task, rate=f"{self._epochs / max(self.seconds, 1e-9):.1f} epochs/s")

    def best(self, value: float, params: Mapping[str, Any]) -> None:
        self._progress.update(self._task, best=f"best {value:.4f}: {show_params(params)}")

    def ended(self, name: str, state: str, result: str, params: Mapping[str, Any]) -> None:
        """One line for a run that ended."""
        style = _STATE_STYLE[state]
        self.console.print(f"{name:<18} [{style}]{state:<11}[/] {escape(result):<34} {escape(show_params(params))}")

    def facts(self, facts: Mapping[str, str]) -> None:
        """Names and values in two columns."""
        width = max(map(len, facts))
        for name, value in facts.items():
            self.console.print(f"[bold]{escape(name):<{width}}[/]  {escape(value)}")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
