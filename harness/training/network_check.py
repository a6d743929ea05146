"""Whether a network of the user's own can be trained: tried on one batch before anything runs."""

import inspect
import traceback

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from harness.core.config import RunConfig
from harness.core.errors import UserError
from harness.core.network import PREFIX, NetworkFile
from harness.core.validation import suggest
from harness.data.dataset import Dataset, training_size
from harness.training.custom import CustomModel, Factory, import_network, shown_file
from harness.training.model import initial_model
from harness.training.randomness import seeded

_EXAMPLES = 4
_SEED = 0


def check_network(config: RunConfig, dataset: Dataset) -> None:
    """Build the network of a config and run one batch through it, forwards and backwards. The data are on the CPU.

    Raises `UserError` if it cannot be built with these hyperparameters, or if its outputs cannot be trained on.
    """
    network = config.network
    assert network is not None
    before = _global_settings()
    try:
        _check_hyperparameters(import_network(network), config)
        with seeded(_SEED):
            complaint = _complaint(config, dataset)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever the user's code raises
        where = _line_of(error, network)
        raise UserError(f"network {network.spec}{where}{_given(config)}: {type(error).__name__}: {error}") from None
    changed = [name for name, value in _global_settings().items() if value != before[name]]
    if changed:
        complaint = f"changes torch's {changed[0]} for all runs of its process: leave that out"
    if complaint:
        raise UserError(f"network {network.spec}{_given(config)} {complaint}")


def _global_settings() -> dict[str, object]:
    """Settings of torch that a file could change for every other run of a worker."""
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "number of threads": torch.get_num_threads(),
        "gradient mode": torch.is_grad_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "precision of matrix products": torch.get_float32_matmul_precision(),
        "treatment of denormal numbers": torch.tensor(1e-40).mul(1.0).item(),
    }


def _given(config: RunConfig) -> str:
    """` with width 8, heads 3`, or "" without hyperparameters."""
    values = ", ".join(f"{name} {value!r}" for name, value in config.network_params)
    return f" with {values}" if values else ""


def _check_hyperparameters(factory: Factory, config: RunConfig) -> None:
    assert config.network is not None
    name, given = config.network.name, dict(config.network_params)
    parameters = inspect.signature(factory).parameters.values()
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    own = [*positional[2:], *(one for one in parameters if one.kind is one.KEYWORD_ONLY)]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    known = [one.name for one in own]
    for one in given:
        if one not in known and not takes_any:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UserError(f"{PREFIX}{one}: {name} has no such hyperparameter; {suggest(one, known)}{has}")
    for needed in own:
        if needed.default is needed.empty and needed.name not in given:
            raise UserError(f"network {config.network.spec} needs {needed.name}: give {PREFIX}{needed.name}")


def _complaint(config: RunConfig, dataset: Dataset) -> str:
    """What is wrong with the network's outputs on a few examples, or ""."""
    model = initial_model(config, dataset)
    assert isinstance(model, CustomModel)
    inputs, labels = dataset.train_inputs[:_EXAMPLES], dataset.train_labels[:_EXAMPLES]
    outputs = model.network(model.scaled(inputs, torch.get_default_dtype()))
    if complaint := _output_complaint(outputs, (len(inputs), len(dataset.classes))):
        return complaint
    if not outputs.requires_grad:
        return "gives outputs without a gradient: they should depend on its parameters, and not be detached"
    nll_loss(outputs.log_softmax(dim=1), labels).backward()
    if complaint := _alone_complaint(model, config, dataset):
        return complaint
    if not any(one.grad is not None and one.grad.any() for one in model.network.parameters()):
        return "has no parameter with a gradient other than 0, so it cannot learn"
    model.eval()
    with torch.no_grad():
        if not torch.equal(model(inputs), model(inputs)):
            return (
                "gives other outputs for the same inputs after eval(): let dropout and the like ask self.training, as"
                " nn.Dropout does"
            )
    return ""


def _alone_complaint(model: CustomModel, config: RunConfig, dataset: Dataset) -> str:
    """What is wrong with a batch of one example, if an epoch ends with one, or ""."""
    sizes = {split: training_size(dataset, split) for split in ("search", "lesson")}
    alone = [size for size in sizes.values() if size % config.batch_size == 1 or config.batch_size == 1]
    if not alone:
        return ""
    here = f"with batch_size {config.batch_size}, where the last of {alone[0]:,} examples is a batch of one:"
    try:
        outputs = model.network(model.scaled(dataset.train_inputs[:1], torch.get_default_dtype()))
    except Exception as error:  # noqa: BLE001  # whatever the user's code raises
        return f"fails {here} {type(error).__name__}: {error}"
    complaint = _output_complaint(outputs, (1, len(dataset.classes)))
    return f"fails {here} it {complaint}" if complaint else ""


def _output_complaint(outputs: object, shape: tuple[int, int]) -> str:
    expected = f"logits or log-probabilities of shape (batch, classes), here {shape}"
    if not isinstance(outputs, Tensor):
        return f"returns a {type(outputs).__name__}: it should return {expected}"
    if tuple(outputs.shape) != shape:
        return f"returns the shape {tuple(outputs.shape)}: it should return {expected}"
    if not outputs.is_floating_point():
        return f"returns {outputs.dtype}: it should return {expected}, as floats"
    if not outputs.isfinite().all():
        return f"returns {outputs.detach()[~outputs.isfinite()][0].item()} before training: it should be finite"
    ones = torch.ones(shape[0], dtype=outputs.dtype)
    if (outputs >= 0).all() and torch.allclose(outputs.sum(dim=1), ones, atol=1e-3):
        return f"returns probabilities: it should return {expected}; leave the softmax out"
    return ""


def _line_of(error: BaseException, network: NetworkFile) -> str:
    """`, line 7` of the network's file, or "" if the error is from elsewhere."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == shown_file(network)]
    return f", line {lines[-1]}" if lines else ""
