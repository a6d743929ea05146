"""Logs a trained network as an MLflow model of its run."""

import re
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.tracking.retry import RetryingClient
from harness.tracking.schema import DESCRIPTION, MODEL
from harness.tracking.writer import ExperimentWriter

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


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
) -> None:
    """Log a module as an MLflow model of a run, called `name`, and its URI (`models:/…`) as a tag of the run.

    `example` is a batch of at least two inputs, so that the exported graph accepts any batch size. The model is saved
    as an exported graph (pt2): its weights and operations are plain data, but torch adds the example as a pickle.
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

    def log() -> Any:
        mlflow.set_tracking_uri(writer.uri)
        with mlflow.start_run(run_id=run_id):
            return mlflow.pytorch.log_model(
                module,
                name=re.sub(r"[/:.%\"']", "-", name),  # MLflow takes none of these
                signature=signature,
                input_example=example,
                pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
                metadata=metadata,
            )

    logged = RetryingClient(writer.uri).call(lambda _client: log())
    writer.set_tags(run, {MODEL: logged.model_uri})


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
