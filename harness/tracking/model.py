"""Logs a trained network as an MLflow model of its run."""

import io
import logging
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.network import NetworkFile
from harness.tracking.retry import RetryingClient
from harness.tracking.schema import DESCRIPTION, MODEL
from harness.tracking.writer import ExperimentWriter
from harness.training.custom import module_name

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn


_SHOWN = 200  # characters of an error


def import_in_background() -> None:
    """Import what `log_model` needs in a thread, because it takes seconds."""
    threading.Thread(target=import_module, args=["mlflow.pytorch"], daemon=True).start()


def log_model(
    writer: ExperimentWriter,
    run: str,
    name: str,
    module: "nn.Module",
    example: "np.ndarray[Any, Any]",
    metadata: dict[str, Any],
    network: NetworkFile | None = None,
) -> str:
    """Log a module as an MLflow model of a run, called `name`, and its URI (`models:/…`) as a tag of the run.

    `example` is a batch of at least two inputs, so that the exported graph accepts any batch size. The model is saved
    as an exported graph (pt2): its weights and operations are plain data, but torch adds the example as a pickle. If
    torch.export refuses `network`, of the user's own, the module is pickled, with the network's file beside it. The
    result is a sentence about that, or "". A module that can be neither exported nor pickled is not logged.
    """
    import mlflow.pytorch
    import numpy as np
    import torch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))]),
        outputs=Schema([TensorSpec(np.dtype("int64"), (-1,))]),
    )
    run_id = writer.id_of(run)
    refusal = _export_refusal(module, torch.from_numpy(example)) if network else ""

    def log(**how: Any) -> Any:
        mlflow.set_tracking_uri(writer.uri)
        with mlflow.start_run(run_id=run_id):
            return mlflow.pytorch.log_model(
                module,
                name=re.sub(r"[/:.%\"']", "-", name),  # MLflow takes none of these
                signature=signature,
                input_example=example,
                pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
                metadata=metadata,
                **how,
            )

    client = RetryingClient(writer.uri)
    sentence = ""
    if network and refusal:
        with _picklable(network) as source, _quiet():
            if complaint := _pickle_refusal(module):
                return (
                    f"{network} can be neither exported ({refusal}) nor pickled ({complaint}): its model is not logged"
                )
            logged = client.call(lambda _: log(serialization_format="pickle", code_paths=[source]))
        sentence = (
            f"torch.export cannot export {network} ({refusal}): its model is a pickle, which loads where this project"
            " is installed; its file lies beside it"
        )
    else:
        logged = client.call(lambda _: log())
    writer.set_tags(run, {MODEL: logged.model_uri})
    return sentence


def _export_refusal(module: "nn.Module", example: "torch.Tensor") -> str:
    """Why torch.export cannot export a module, or ""."""
    import torch

    with _quiet():
        try:
            torch.export.export(module, (example,), dynamic_shapes=[{0: torch.export.Dim.AUTO}])
        except Exception as error:  # noqa: BLE001  # it raises all kinds, for whatever the user's code does
            return _in_one_line(error)
    return ""


def _pickle_refusal(module: "nn.Module") -> str:
    """Why a module cannot be pickled, or ""."""
    import cloudpickle

    try:
        cloudpickle.dumps(module)
    except Exception as error:  # noqa: BLE001  # as above
        return _in_one_line(error)
    return ""


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_SHOWN]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, nothing is logged or written to stderr: torch prints pages about a graph that it cannot export."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@contextmanager
def _picklable(network: NetworkFile) -> Iterator[str]:
    """Inside, objects of the network are pickled with their code. The value is the path of a copy of its file."""
    import cloudpickle

    module = sys.modules[module_name(network)]
    cloudpickle.register_pickle_by_value(module)
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / network.file
            source.write_text(network.text, encoding="utf-8")
            yield str(source)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def describe_model(
    writer: ExperimentWriter, run_id: str, model_uri: str, description: str, metrics: Mapping[str, float]
) -> None:
    """Write a description and metrics on the page of a model. They are those of its run too, as MLflow keeps them.

    A model that was deleted in MLflow is left alone.
    """
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    model_id, now, data = model_uri.rpartition("/")[2], int(time.time() * 1000), writer.dataset
    known = {"dataset_name": data.name, "dataset_digest": data.sha256[:8], "model_id": model_id, "run_id": run_id}
    values = [Metric(name, value, now, 0, **known) for name, value in metrics.items()]
    client = RetryingClient(writer.uri)
    try:
        client.call(lambda plain: plain.get_logged_model(model_id))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return
        raise
    client.call(lambda plain: plain.set_logged_model_tags(model_id, {DESCRIPTION: description}))
    client.call(lambda plain: plain.log_batch(run_id, values))
