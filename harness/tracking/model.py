"""Logs a trained network as an MLflow model of its run."""

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.tracking.retry import RetryingClient
from harness.tracking.schema import MODEL
from harness.tracking.writer import ExperimentWriter

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


def import_in_background() -> None:
    """Import what `log_model` needs in a thread, because it takes seconds."""
    threading.Thread(target=import_module, args=["mlflow.pytorch"], daemon=True).start()


def log_model(
    writer: ExperimentWriter, run: str, module: "nn.Module", example: "np.ndarray[Any, Any]", metadata: dict[str, Any]
) -> None:
    """Log a module as an MLflow model of a run, and its URI (`models:/…`) as a tag of the run.

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
                name="model",
                signature=signature,
                input_example=example,
                pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
                metadata=metadata,
            )

    logged = RetryingClient(writer.uri).call(lambda _client: log())
    writer.set_tags(run, {MODEL: logged.model_uri})
