"""Probes of loss and accuracy on images that stay the same while a run trains."""

import torch
from torch import Tensor

from harness.core.seeds import derive
from harness.training.loop import evaluate
from harness.training.probes.base import Probe

LOSS_IMAGES = 2_000
ROUGH_UPDATES = 100


class Loss(Probe):
    """`probe_loss`, `probe_accuracy` by update (0: untrained) on 2,000 training images, the same in every run.

    Taken with BatchNorm's running statistics, where there is BatchNorm.
    """

    def started(self) -> None:
        self._fixed = _fixed_images(self, self.indices.train)
        self.report(0)

    def report(self, number: int) -> None:
        loss, accuracy = evaluate(self.model, *self._fixed)
        self.read("probe_loss", number, loss)
        self.read("probe_accuracy", number, accuracy)


class ValidationLoss(Probe):
    """`probe_val_loss` by update (0: untrained) on 2,000 validation images, the same in every run of a seed."""

    def started(self) -> None:
        self._fixed = _fixed_images(self, self.held_out)
        self.report(0)

    def report(self, number: int) -> None:
        self.read("probe_val_loss", number, evaluate(self.model, *self._fixed)[0])


class Roughness(Probe):
    """`loss_variation` by update, for the first 100: Σ|ΔL| of the loss on the same images, looked at after each one."""

    def started(self) -> None:
        self._fixed = _fixed_images(self, self.indices.train)
        self._variation = 0.0
        self._last, _ = evaluate(self.model, *self._fixed)

    def updated(self, number: int, /) -> None:
        if number <= ROUGH_UPDATES:
            loss, _ = evaluate(self.model, *self._fixed)
            self._variation += abs(loss - self._last)
            self._last = loss

    def report(self, number: int) -> None:
        if number <= ROUGH_UPDATES:
            self.read("loss_variation", number, self._variation)


class ValidationHalves(Probe):
    """By epoch: `half_1_loss`, `half_1_accuracy`, `half_2_…` on two halves of the validation images (every other)."""

    def started(self) -> None:
        self._halves = [self.held_out[half::2] for half in (0, 1)]

    def epoch_ended(self, number: int) -> None:
        for half, indices in enumerate(self._halves, start=1):
            loss, accuracy = evaluate(self.model, self.dataset.train_inputs, self.dataset.train_labels, indices)
            self.read(f"half_{half}_loss", number, loss)
            self.read(f"half_{half}_accuracy", number, accuracy)


def _fixed_images(probe: Probe, indices: Tensor) -> tuple[Tensor, Tensor]:
    """2,000 of these images, the same ones in every run of a split and seed, and their labels."""
    drawn = torch.randperm(len(indices), generator=torch.Generator().manual_seed(derive(0, "probe")))
    chosen = indices[drawn[:LOSS_IMAGES]].to(probe.dataset.train_inputs.device)
    return probe.dataset.train_inputs.index_select(0, chosen), probe.dataset.train_labels.index_select(0, chosen)
