"""torch's global generators, from which dropout and a network's own initialization draw: seeded, and put back."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch.random import fork_rng


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the CPU's global generator starts from `seed`. Afterwards it is as before."""
    with fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class RunGenerators:
    """The global generators as one run draws from them, from `seed` on: the CPU's and, on a GPU, the device's."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device if device.type == "cuda" else None
        self._states: list[torch.Tensor] = []
        with self._restored():
            torch.default_generator.manual_seed(seed)
            if self._device:
                torch.cuda.manual_seed(seed)
            self._save()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside, the run goes on drawing where it stopped. Afterwards the generators are as before."""
        with self._restored():
            torch.set_rng_state(self._states[0])
            if self._device:
                torch.cuda.set_rng_state(self._states[1], self._device)
            try:
                yield
            finally:
                self._save()

    def _restored(self) -> AbstractContextManager[None]:
        return fork_rng(devices=[self._device] if self._device else [])

    def _save(self) -> None:
        self._states = [torch.get_rng_state()]
        if self._device:
            self._states.append(torch.cuda.get_rng_state(self._device))
