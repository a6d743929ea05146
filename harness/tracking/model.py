"""A trained network as an MLflow model of its run."""

import threading
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.tracking.reader import MODEL
from harness.tracking.writer import Tracking

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


def prepare() -> None:
    """Import in the background what `log_model` needs, which takes seconds."""
    threading.Thread(target=import_module, args=["mlflow.pytorch"], daemon=True).start()


def log_model(
    tracking: Tracking, run_id: str, model: "nn.Module", example: "np.ndarray[Any, Any]", metadata: dict[str, Any]
) -> None:
    """Log a module as an MLflow model of a run, and its address (`models:/…`) as the run's tag.

    `example` is a batch of at least two inputs; the logged model takes batches of any size. It is saved as an exported
    graph (pt2), without pickle.
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
    own_id = tracking.id_of(run_id)

    def log() -> Any:
        mlflow.set_tracking_uri(tracking.uri)
        with mlflow.start_run(run_id=own_id), warnings.catch_warnings():
            # torch up to 2.11 warns of its own way to write an exported graph.
            warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
            return mlflow.pytorch.log_model(
                model,
                name="model",
                signature=signature,
                input_example=example,
                pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
                metadata=metadata,
            )

    logged = tracking.client.call(log)
    tracking.tag(run_id, {MODEL: logged.model_uri})
