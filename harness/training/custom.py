"""A network of the user's own as a model: imported from its recorded text, built from a seed."""

import functools
import linecache
import sys
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from harness.core.config import RunConfig
from harness.core.network import NetworkFile
from harness.training.inputs import ScaledInputs
from harness.training.randomness import seeded

_SEED = 0

Factory = Callable[..., object]


class CustomModel(ScaledInputs):
    """The same inputs and outputs as the lesson's `MLP`, with a network of the user's own between them.

    `build` makes the network. It may give logits or log-probabilities: log-softmax leaves log-probabilities as they
    are.
    """

    network: nn.Module

    def __init__(self, config: RunConfig, shape: tuple[int, ...], classes: int, max_level: int | None) -> None:
        super().__init__(config, shape, max_level)
        assert config.network is not None
        self._config = config
        self._shape = shape if max_level is None else (1, *shape)
        self._classes = classes

    def build(self, example: Tensor, seed: int) -> None:
        """Make the network, with weights from `seed`. Lazy layers take their sizes from `example`, a batch of one."""
        network = self._config.network
        assert network is not None
        factory = import_network(network)
        with seeded(seed):
            made = factory(self._shape, self._classes, **dict(self._config.network_params))
            if not isinstance(made, nn.Module):
                raise TypeError(f"{network.name} gives a {type(made).__name__}: it should give a torch.nn.Module")
            self.network = made
            if any(is_lazy(one) for one in (*self.network.parameters(), *self.network.buffers())):
                with torch.no_grad():
                    self.network(self.eval().scaled(example, torch.get_default_dtype()))
                self.train()

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(self.scaled(inputs, self._dtype))
        return outputs.log_softmax(dim=1)

    @property
    def _dtype(self) -> torch.dtype:
        floats = (one.dtype for one in self.network.parameters() if one.is_floating_point())
        return next(floats, torch.get_default_dtype())


def module_name(network: NetworkFile) -> str:
    """The name under which Python knows its module."""
    return f"network_{network.sha256[:12]}"


def shown_file(network: NetworkFile) -> str:
    """The name of its text in tracebacks."""
    return f"<{network.file} as recorded>"


@functools.cache
def import_network(network: NetworkFile) -> Factory:
    """The callable of a network, from its recorded text: no file is read.

    Whatever the text raises is raised. Raises AttributeError or TypeError if it has no such callable.
    """
    module = ModuleType(module_name(network))
    shown = shown_file(network)
    linecache.cache[shown] = (len(network.text), None, network.text.splitlines(keepends=True), shown)  # for tracebacks
    sys.modules[module.__name__] = module  # where dataclasses and pickle look
    with seeded(_SEED):  # what it draws, and the state that it leaves, depend on nothing before it
        exec(compile(network.text, shown, "exec"), module.__dict__)  # noqa: S102  # the user's own code
    if not hasattr(module, network.name):
        raise AttributeError(f"{network.file} has no {network.name}")
    factory = getattr(module, network.name)
    if isinstance(factory, nn.Module) or not callable(factory):
        kind = type(factory).__name__
        raise TypeError(f"{network.name} is a {kind}: it should be a class or a function of (shape, classes)")
    found: Factory = factory
    return found
