"""The options that several commands share, each written down once: its type, its help, the default as it is shown."""

from pathlib import Path
from typing import Annotated

import typer

from harness.core.defaults import DeviceChoice, EngineChoice, Switch
from harness.data.choice import NAMED

_DATA = f"What to learn: {', '.join(NAMED)} or csv:PATH; auto prefers Fashion-MNIST."

DataName = Annotated[str, typer.Option(help=_DATA)]
OtherDataName = Annotated[str | None, typer.Option(help=_DATA, show_default="each claim's")]
Target = Annotated[str, typer.Option(help="Column of labels in a CSV file.", show_default="the last one")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder that holds FashionMNIST/raw.", show_default="HARNESS_DATA_DIR, or data"),
]
Device = Annotated[DeviceChoice, typer.Option(help="Where to train.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Runs or stacks at a time.", show_default="one a core, two for a GPU, or all of the cluster"),
]
Engine = Annotated[EngineChoice, typer.Option(help="Workers of this machine, or tasks of a Ray cluster.")]
RayAddress = Annotated[
    str, typer.Option(help="HOST:PORT, auto (this machine's cluster) or local (one of our own).", show_default="auto")
]
GpusPerRun = Annotated[float, typer.Option(help="Of a cluster's GPUs, such as 0.25; 0 trains on CPUs.")]
Cohort = Annotated[Switch, typer.Option(help="Train runs of one shape together; off: one by one.")]
Out = Annotated[Path, typer.Option(help="Folder for the page and its figures.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an unexpected error arose.")]
