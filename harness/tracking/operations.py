"""The operations that a spool holds, and what their arguments may be: others may have written a file of them."""

from pathlib import PurePath
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, RootModel


class Operation(NamedTuple):
    """One write to MLflow. `method` names a method of `delivery.Sender`; `run` is a uid of `Spool` or an MLflow id."""

    run: str
    method: str
    arguments: dict[str, Any]


def _file_name(name: str) -> str:
    if name in ("", "..") or PurePath(name).name != name:
        raise ValueError(f"{name!r} is not the name of a file")
    return name


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _CreateRun(_Arguments):
    experiment_id: str
    run_name: str
    start_time: int
    tags: dict[str, str]
    runs: dict[str, str]


class _LogBatch(_Arguments):
    metrics: list[tuple[str, float, int, int]]
    params: list[tuple[str, str]]
    tags: list[tuple[str, str]]


class _LogDataset(RootModel[dict[str, str]]):
    pass


class _LogBytes(_Arguments):
    name: Annotated[str, AfterValidator(_file_name)]
    content: str


class _SetStatus(_Arguments):
    status: Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
    end_time: int


ARGUMENTS: dict[str, type[BaseModel]] = {
    "create_run": _CreateRun,
    "log_batch": _LogBatch,
    "log_dataset": _LogDataset,
    "log_bytes": _LogBytes,
    "set_status": _SetStatus,
}
