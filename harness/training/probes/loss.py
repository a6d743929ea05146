"""Probes of loss and accuracy on a fixed set of images."""

import torch
from torch import Tensor

from harness.core.seeds import derive
from harness.training.loop import evaluate
from harness.training.probes.base import Probe

LOSS_IMAGES = 2_000
ROUGH_UPDATES = 100


class Loss(Probe):
    """`probe_loss`, `probe_accuracy` by update (0: untrained) on 2,000 training images, the same in every run.

    BatchNorm uses its running statistics.
    """

    def on_train_start(self) -> None:
        self._fixed = _fixed_images(self, self.indices.train)
        self.measure(0)

    def measure(self, number: int) -> None:
        loss, accuracy = evaluate(self.model, *self._fixed)
        self.add_reading("probe_loss", number, loss)
        self.add_reading("probe_accuracy", number, accuracy)


class ValidationLoss(Probe):
    """`probe_val_loss` by update (0: untrained) on 2,000 validation images, the same in every run of a seed."""

    def on_train_start(self) -> None:
        self._fixed = _fixed_images(self, self.held_out)
        self.measure(0)

    def measure(self, number: int) -> None:
        self.add_reading("probe_val_loss", number, evaluate(self.model, *self._fixed)[0])


class Roughness(Probe):
    """`loss_variation` for the first 100 updates: Σ|ΔL| of the loss on the same images after each update."""

    def on_train_start(self) -> None:
        self._fixed = _fixed_images(self, self.indices.train)
        self._variation = 0.0
        self._last, _ = evaluate(self.model, *self._fixed)

    def on_update(self, number: int, /) -> None:
        if number <= ROUGH_UPDATES:
            loss, _ = evaluate(self.model, *self._fixed)
            self._variation += abs(loss - self._last)
            self._last = loss

    def measure(self, number: int) -> None:
        if number <= ROUGH_UPDATES:
            self.add_reading("loss_variation", number, self._variation)


class ValidationHalves(Probe):
    """By epoch: `half_1_loss`, `half_1_accuracy`, `half_2_…` on two halves of the validation images (every other)."""

    def on_train_start(self) -> None:
        self._halves = [self.held_out[half::2] for half in (0, 1)]

    def on_epoch_end(self, number: int) -> None:
        for half, indices in enumerate(self._halves, start=1):
            loss, accuracy = evaluate(self.model, self.dataset.train_inputs, self.dataset.train_labels, indices)
            self.add_reading(f"half_{half}_loss", number, loss)
            self.add_reading(f"half_{half}_accuracy", number, accuracy)


def _fixed_images(probe: Probe, indices: Tensor) -> tuple[Tensor, Tensor]:
    """2,000 of these images and their labels, the same in every run with this split and seed."""
    drawn = torch.randperm(len(indices), generator=torch.Generator().manual_seed(derive(0, "probe")))
    chosen = indices[drawn[:LOSS_IMAGES]].to(probe.dataset.train_inputs.device)
    return probe.dataset.train_inputs.index_select(0, chosen), probe.dataset.train_labels.index_select(0, chosen)
