"""The options that several commands share: type, help text, and default as shown."""

from pathlib import Path
from typing import Annotated

import typer

from harness.core.defaults import DeviceChoice, EngineChoice, Header
from harness.core.language import Language
from harness.data.choice import NAMED

_DATASET_HELP = f"Data: {', '.join(NAMED)} or csv:PATH; auto prefers Fashion-MNIST."

DatasetOption = Annotated[str, typer.Option(help=_DATASET_HELP)]
OptionalDatasetOption = Annotated[str | None, typer.Option(help=_DATASET_HELP, show_default="each claim's")]
TargetOption = Annotated[str, typer.Option(help="Column of labels in a CSV file.", show_default="the last column")]
HeaderOption = Annotated[Header, typer.Option(help="Whether the first row of a CSV file holds names.")]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="Column of a CSV file to leave out; may be repeated.", show_default=False),
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Folder that contains FashionMNIST/raw.", show_default="HARNESS_DATA_DIR, or data")
]
DeviceOption = Annotated[DeviceChoice, typer.Option(help="Where to train.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(help="Runs or stacks at a time.", show_default="one per core, two per GPU, or the whole cluster"),
]
EngineOption = Annotated[EngineChoice, typer.Option(help="Workers of this machine, or tasks of a Ray cluster.")]
RayAddressOption = Annotated[
    str, typer.Option(help="HOST:PORT, auto (this machine's cluster) or local (a new one).", show_default="auto")
]
GpusPerRunOption = Annotated[float, typer.Option(help="Share of a cluster's GPU, such as 0.25; 0 trains on CPUs.")]
StackOption = Annotated[
    bool, typer.Option("--stack/--no-stack", help="Train runs of one shape together, or one by one.")
]
OutputDirOption = Annotated[Path, typer.Option(help="Folder for the page and its figures.")]
LanguageOption = Annotated[Language, typer.Option("--lang", help="Language of the page; zh: Chinese, in a subfolder.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")]
