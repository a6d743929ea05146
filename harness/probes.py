"""Measures taken while a run trains: loss on fixed images, the path of the weights, the noise of the gradient.

Probes only look: they draw from generators of their own and leave weights, gradients and statistics as they were.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from harness.config import RunConfig
from harness.data import Dataset, split_indices
from harness.metrics import ProbeName, Reading
from harness.model import MLP
from harness.seeds import derive
from harness.train import evaluate

PER_DECADE = 40
LOSS_IMAGES = 2_000
NOISE_BATCHES = (1, 8, 32, 128, 512, 4_096)
NOISE_DRAWS = 64
SKETCH = 1_024
DENSE_UPDATES = 100


def is_scheduled(update: int) -> bool:
    """Whether probes report after this update, if it is not the last: 40 a decade, so each one to 17, 100, 1,000 …"""
    if update == 1:
        return True
    return math.floor(PER_DECADE * math.log10(update)) > math.floor(PER_DECADE * math.log10(update - 1))


class _Probe:
    """What a probe may do; each of these does nothing by itself."""

    def __init__(self, config: RunConfig, dataset: Dataset, model: MLP) -> None:
        self.config = config
        self.dataset = dataset
        self.model = model
        self.readings: list[Reading] = []

    @property
    def training(self) -> Tensor:
        """Which images train: int64 [n]."""
        return split_indices(self.dataset.train_labels, self.config.split, self.config.seed).train

    def started(self) -> None:
        pass

    def updated(self, number: int, /) -> None:
        pass

    def report(self, number: int) -> None:
        """Called after update `number` where `is_scheduled` says so, and after the run's last."""

    def epoch_ended(self, number: int) -> None:
        pass

    def ended(self) -> None:
        pass

    def read(self, name: str, step: int, value: float) -> None:
        self.readings.append(Reading(name, step, value))


class _Loss(_Probe):
    """`probe_loss`, `probe_accuracy` by update (0: untrained) on 2,000 training images, the same in every run.

    Taken with BatchNorm's running statistics, where there is BatchNorm.
    """

    def started(self) -> None:
        self._fixed = _fixed_images(self)
        self.report(0)

    def report(self, number: int) -> None:
        loss, accuracy = evaluate(self.model, *self._fixed)
        self.read("probe_loss", number, loss)
        self.read("probe_accuracy", number, accuracy)


class _Roughness(_Probe):
    """`loss_variation` by update, for the first 100: Σ|ΔL| of the loss on the same images, looked at after each one."""

    def started(self) -> None:
        self._fixed = _fixed_images(self)
        self._variation = 0.0
        self._last, _ = evaluate(self.model, *self._fixed)

    def updated(self, number: int, /) -> None:
        if number <= DENSE_UPDATES:
            loss, _ = evaluate(self.model, *self._fixed)
            self._variation += abs(loss - self._last)
            self._last = loss

    def report(self, number: int) -> None:
        if number <= DENSE_UPDATES:
            self.read("loss_variation", number, self._variation)


class _Path(_Probe):
    """By update: `path_length` Σ‖Δw‖, `displacement` ‖w − w₀‖, `gradient_cosine`: mean cosine of successive gradients.

    All weights count as one vector. The first cosine belongs to update 2.
    """

    def started(self) -> None:
        self._first = _flat(self.model)
        self._last = self._first
        self._gradient: Tensor | None = None
        self._length = self._cosines = 0.0

    def updated(self, _number: int, /) -> None:
        weights, gradient = _flat(self.model), _flat_gradient(self.model)
        self._length += torch.dist(weights, self._last).item()
        if self._gradient is not None:
            self._cosines += torch.cosine_similarity(gradient, self._gradient, dim=0).item()
        self._last, self._gradient = weights, gradient

    def report(self, number: int) -> None:
        self.read("path_length", number, self._length)
        self.read("displacement", number, torch.dist(self._last, self._first).item())
        if number > 1:
            self.read("gradient_cosine", number, self._cosines / (number - 1))


class _Trajectory(_Probe):
    """The weights after each of the first 100 updates, each as 1,024 numbers, for pictures of paths.

    A count sketch (Charikar et al. 2002; Weinberger et al. 2009 as "feature hashing"): every weight is added, with a
    random sign, to a random one of 1,024 places. Linear, the same for every run, and it keeps squared distances within
    about √(2/1,024) = 4 %.
    """

    def started(self) -> None:
        generator = torch.Generator().manual_seed(derive(0, "sketch"))
        size = len(_flat(self.model))
        device = self.dataset.train_images.device
        self._places = torch.randint(SKETCH, (size,), generator=generator).to(device)
        self._signs = (torch.randint(2, (size,), generator=generator) * 2 - 1).to(device)
        self._origin = _flat(self.model)
        self._points = [torch.zeros(SKETCH, device=device)]

    def updated(self, number: int, /) -> None:
        if number <= DENSE_UPDATES:
            moved = (_flat(self.model) - self._origin) * self._signs
            self._points.append(torch.zeros_like(self._points[0]).index_add_(0, self._places, moved))

    @property
    def points(self) -> Tensor:
        """Float16 [updates + 1, 1,024]: the sketched way from the initial weights."""
        return torch.stack(self._points).to(torch.float16)


class _GradientNoise(_Probe):
    """The spread of mini-batch gradients at frozen weights: before training ("start") and after the last epoch ("end").

    `gradient_covariance_start`, `…_end`: tr Cov(g_B), the mean of ‖g_B − G‖² over 64 batches of B images drawn without
    replacement, G the gradient over all n training images; its step is B. `gradient_square_…`: ‖G‖², its step is n.
    """

    def started(self) -> None:
        self._training = self.training
        self._generator = torch.Generator().manual_seed(derive(self.config.seed, "gradient noise"))
        self._measure("start")

    def ended(self) -> None:
        self._measure("end")

    def _measure(self, when: str) -> None:
        frozen = copy.deepcopy(self.model).eval()
        images = len(self._training)
        full = self._gradient(frozen, self._training)
        self.read(f"gradient_square_{when}", images, full.square().sum().item())
        for size in NOISE_BATCHES:
            if size < images:
                spread = 0.0
                for _ in range(NOISE_DRAWS):
                    drawn = torch.randint(images, (size,), generator=self._generator)
                    if len(drawn.unique()) < size:  # rare for small batches; drawing all n is dear
                        drawn = torch.randperm(images, generator=self._generator)[:size]
                    spread += (self._gradient(frozen, self._training[drawn]) - full).square().sum().item()
                self.read(f"gradient_covariance_{when}", size, spread / NOISE_DRAWS)

    def _gradient(self, frozen: MLP, indices: Tensor) -> Tensor:
        chosen = indices.to(self.dataset.train_images.device)
        frozen.zero_grad()
        images = self.dataset.train_images.index_select(0, chosen)
        nll_loss(frozen(images), self.dataset.train_labels.index_select(0, chosen)).backward()
        return _flat_gradient(frozen)


class _ValidationHalves(_Probe):
    """By epoch: `half_1_loss`, `half_1_accuracy`, `half_2_…` on two halves of the validation images (every other)."""

    def started(self) -> None:
        held_out = split_indices(self.dataset.train_labels, self.config.split, self.config.seed).validation
        if not len(held_out):
            raise ValueError('the probe validation_halves needs split "search": "lesson" holds no images back')
        device = self.dataset.train_images.device
        self._halves = [held_out[half::2].to(device) for half in (0, 1)]

    def epoch_ended(self, number: int) -> None:
        for half, indices in enumerate(self._halves, start=1):
            images = self.dataset.train_images.index_select(0, indices)
            loss, accuracy = evaluate(self.model, images, self.dataset.train_labels.index_select(0, indices))
            self.read(f"half_{half}_loss", number, loss)
            self.read(f"half_{half}_accuracy", number, accuracy)


_PROBES: dict[ProbeName, type[_Probe]] = {
    "loss": _Loss,
    "roughness": _Roughness,
    "path": _Path,
    "trajectory": _Trajectory,
    "gradient_noise": _GradientNoise,
    "validation_halves": _ValidationHalves,
}


class Probes:
    """The `Observer` of one run: all probes of these names, made before the run starts, on its model and dataset.

    Raises ValueError where a probe cannot work under the run's split.
    """

    def __init__(self, names: Sequence[ProbeName], config: RunConfig, dataset: Dataset, model: MLP) -> None:
        self._epochs = config.epochs
        self._updates = config.updates
        self._seen = 0
        self._probes = [_PROBES[name](config, dataset, model) for name in names]
        for probe in self._probes:
            probe.started()

    def updated(self, number: int) -> None:
        self._seen = number
        for probe in self._probes:
            probe.updated(number)
            if is_scheduled(number):
                probe.report(number)

    def epoch_ended(self, number: int) -> tuple[Reading, ...]:
        last = number == self._epochs or self._seen == self._updates
        taken: list[Reading] = []
        for probe in self._probes:
            probe.epoch_ended(number)
            if last:
                if not is_scheduled(self._seen):
                    probe.report(self._seen)
                probe.ended()
            taken += probe.readings
            probe.readings = []
        return tuple(taken)

    @property
    def trajectory(self) -> Any:
        """What the probe "trajectory" saw, as a numpy array, or None without it."""
        return next((probe.points.cpu().numpy() for probe in self._probes if isinstance(probe, _Trajectory)), None)


def _fixed_images(probe: _Probe) -> tuple[Tensor, Tensor]:
    """The same 2,000 training images in every run of a split and seed, and their labels."""
    drawn = torch.randperm(len(probe.training), generator=torch.Generator().manual_seed(derive(0, "probe")))
    chosen = probe.training[drawn[:LOSS_IMAGES]].to(probe.dataset.train_images.device)
    return probe.dataset.train_images.index_select(0, chosen), probe.dataset.train_labels.index_select(0, chosen)


def _flat(model: MLP) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def _flat_gradient(model: MLP) -> Tensor:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return torch.cat([gradient.flatten() for gradient in gradients])
