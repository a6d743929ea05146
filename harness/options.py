"""The options that several commands share, each written down once: its type, its help, the default as it is shown."""

from pathlib import Path
from typing import Annotated

import typer

from harness.data_choice import NAMED
from harness.defaults import DeviceChoice, Switch

_DATA = f"What to learn: {', '.join(NAMED)} or csv:PATH; auto prefers Fashion-MNIST."

DataName = Annotated[str, typer.Option(help=_DATA)]
OtherDataName = Annotated[str | None, typer.Option(help=_DATA, show_default="each claim's")]
Target = Annotated[str, typer.Option(help="Column of labels in a CSV file.", show_default="the last one")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder that holds FashionMNIST/raw.", show_default="HARNESS_DATA_DIR, or data"),
]
Device = Annotated[DeviceChoice, typer.Option(help="Where to train.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes.", show_default="physical cores")]
Cohort = Annotated[Switch, typer.Option(help="Train runs of one shape together; off: one by one.")]
Out = Annotated[Path, typer.Option(help="Folder for the page and its figures.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an unexpected error arose.")]
