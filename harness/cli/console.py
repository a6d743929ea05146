"""What the user sees while runs train: a live display on a terminal, plain lines anywhere else. Decides nothing."""

import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness.core.network import label

_STATE_STYLE = {"complete": "green", "pruned": "yellow", "diverged": "red", "failed": "red", "interrupted": "yellow"}
_SHORT_NAMES = {"batch_size": "batch", "batch_norm": "norm"}
_NAME_WIDTH, _STATE_WIDTH, _RESULT_WIDTH, _VALUE_WIDTH = 20, 11, 28, 9
_INDENT = "    "
_NO_BREAK = "\xa0"
_NARROW = 80  # columns


def format_params(params: Mapping[str, Any], short: bool = False) -> str:
    """`lr 0.15 · gamma 0 · …`, with four significant digits; `short` cuts names."""
    return " · ".join(
        f"{_SHORT_NAMES.get(name, label(name)) if short else label(name)} {format_value(value)}"
        for name, value in params.items()
    )


class Console:
    """A context manager: inside it, a progress bar stands below the printed lines."""

    def __init__(self, rich_console: RichConsole | None = None) -> None:
        self._rich = rich_console or RichConsole(highlight=False, soft_wrap=True)
        self._progress = _Display(self._rich)
        self._task = self._progress.add_task("trials", total=None, rate="", left="")
        self._epochs = 0
        self._start = time.monotonic()
        self._header: tuple[str, ...] = ()
        self._shows_runs = True

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

    def print(self, line: str, has_command: bool = False) -> None:
        """Print one line. With `has_command`, a terminal breaks it anywhere, so that the command can be copied."""
        self._print_lines([line] if has_command else self._wrapped(line))

    def warn(self, line: str) -> None:
        """Print a line that starts with "warning: "."""
        self._print_lines(self._wrapped(f"warning: {line}"), "bold yellow")

    def print_reading(self, reading: str, warnings: Sequence[str]) -> None:
        """Print how the data were understood, if they come from a file, and what is wrong with them."""
        if reading:
            self.print(reading)
        for warning in warnings:
            self.warn(warning)

    @contextmanager
    def without_runs(self) -> Iterator[None]:
        """Inside it, `print_run` prints failed runs only."""
        self._shows_runs = False
        try:
            yield
        finally:
            self._shows_runs = True

    def print_run(self, name: str, state: str, result: str, params: Mapping[str, Any], note: str = "") -> None:
        """Print a run that has ended: a row of a table if the terminal has room, two lines if not.

        Outside a terminal it is always one line.
        """
        if not self._shows_runs and state != "failed":
            return
        if not self._rich.is_terminal:
            result = " · ".join(filter(None, (result, note)))
            line = f"{name:<{_NAME_WIDTH}} {state:<{_STATE_WIDTH}} {result:<34} {format_params(params)}"
            self._print_lines([line.rstrip()])
            return
        params = {label(one): value for one, value in params.items()}
        row = self._row(name, state, result, params)
        if row is None:
            line = f"{name}  [{_STATE_STYLE[state]}]{state}[/]  {escape(result)}"
            self._rich.print(line.rstrip(), soft_wrap=False)
            self._print_lines(self._indented(format_params(params, short=self._rich.width < _NARROW)))
        else:
            if tuple(params) != self._header:
                self._header = tuple(params)
                self._rich.print(self._grid(["run", "state", "result", *params], params), style="dim")
            self._rich.print(row)
        self._print_lines(self._indented(note), "dim")

    def print_fields(self, fields: Mapping[str, str], are_commands: bool = False) -> None:
        """Print names and values in two columns. A value may have several lines.

        `are_commands`: a terminal breaks the values anywhere, so that they can be copied.
        """
        width = max(map(len, fields))
        for name, value in fields.items():
            lines = value.split("\n")
            if not are_commands:
                lines = [part for line in lines for part in self._wrapped(line, width + 2)]
            value = ("\n" + " " * (width + 2)).join(lines)
            self._rich.print(f"[bold]{escape(name):<{width}}[/]  {escape(value)}")

    def print_table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows below a header. In a narrow terminal, cells are wrapped, but for those of the first column."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in header:
            table.add_column(name, no_wrap=name == header[0])
        for row in rows:
            table.add_row(*map(escape, row))
        self._rich.print(table)

    def set_progress(self, done: int, total: int, what: str = "trials", left: str = "") -> None:
        """Show `done` of `total` in the progress bar, and how long the rest will take."""
        self._progress.update(self._task, completed=done, total=total, description=what, left=left)

    def advance(self, left: str) -> None:
        """Count one more run as done, and show how long the rest will take."""
        self._progress.update(self._task, advance=1, left=left)

    def count_epoch(self) -> None:
        """Count one epoch that a worker has finished."""
        self._epochs += 1
        self._progress.update(self._task, rate=f"{self._epochs / max(self.seconds, 1e-9):.1f} epochs/s")

    def show_best(self, value: float, params: Mapping[str, Any]) -> None:
        """Show the best trial so far below the progress bar."""
        self._progress.best = f"best {value:.4f}", params

    def _row(self, name: str, state: str, result: str, params: Mapping[str, Any]) -> Table | None:
        """A row with a column for each hyperparameter; None if the terminal is too narrow for it."""
        columns = (_NAME_WIDTH, _STATE_WIDTH, _RESULT_WIDTH, *map(_value_width, params))
        has_room = sum(columns) + len(columns) - 1 <= self._rich.width
        if not has_room or len(result) > _RESULT_WIDTH or len(name) > _NAME_WIDTH:
            return None
        return self._grid([name, Text(state, _STATE_STYLE[state]), result, *map(format_value, params.values())], params)

    def _grid(self, cells: Sequence[RenderableType], params: Iterable[str]) -> Table:
        grid = Table.grid(padding=(0, 1, 0, 0))
        for width in (_NAME_WIDTH, _STATE_WIDTH, _RESULT_WIDTH):
            grid.add_column(width=width, no_wrap=True)
        for name in params:
            grid.add_column(width=_value_width(name), no_wrap=True, justify="right")
        grid.add_row(*cells)
        return grid

    def _indented(self, text: str) -> list[str]:
        return [_INDENT + line for line in self._wrapped(text, len(_INDENT))] if text else []

    def _wrapped(self, text: str, indent: int = 0) -> list[str]:
        """The text in lines that fit beside `indent` columns; outside a terminal it is one line."""
        return _wrap(text, max(self._rich.width - indent, 20)) if self._rich.is_terminal else [text]

    def _print_lines(self, lines: Sequence[str], style: str = "") -> None:
        for line in lines:
            self._rich.print(escape(line), style=style or None)


class _Display(Progress):
    """The progress bar, and below it the best trial. It leaves nothing on the screen when it stops."""

    def __init__(self, console: RichConsole) -> None:
        self.best: tuple[str, Mapping[str, Any]] | None = None
        is_narrow = console.width < _NARROW
        rate = [] if is_narrow else [TextColumn("{task.fields[rate]}")]
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10 if is_narrow else 24),
            MofNCompleteColumn(),
            *rate,
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """The lines of the display, drawn again several times a second."""
        yield self.make_tasks_table(self.tasks)
        if self.best:
            value, params = self.best
            whole, short = (f"{value}: {format_params(params, short)}" for short in (False, True))
            yield Text("\n".join(_wrap(whole if len(whole) < self.console.width else short, self.console.width)))


def _wrap(text: str, width: int) -> list[str]:
    """Lines of this width. `lr 0.1 ·` is not broken."""
    parts = [part.replace(" ", _NO_BREAK) if part.count(" ") < 2 else part for part in text.split(" · ")]
    lines = textwrap.wrap(f"{_NO_BREAK}· ".join(parts), width, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_NO_BREAK, " ") for line in lines] or [""]


def _value_width(name: str) -> int:
    return max(len(name), _VALUE_WIDTH)


def format_value(value: Any) -> str:
    """`0.004834`, `on`: four significant digits, and words for switches."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
