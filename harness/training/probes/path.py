"""Probes of the weights as a moving point: its path, a sketch of it for pictures, and gradient noise."""

import copy

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from harness.core.seeds import derive
from harness.training.model import Model
from harness.training.probes.base import Probe

NOISE_BATCHES = (1, 8, 32, 128, 512, 4_096)
NOISE_DRAWS = 64
SKETCH = 1_024
DRAWN_UPDATES = 100


class WeightPath(Probe):
    """By update: `path_length` Σ‖Δw‖, `displacement` ‖w − w₀‖, `gradient_path` Σ η‖g‖ (the path of SGD at a constant
    lr, without momentum), `gradient_cosine` (the mean cosine of successive gradients).

    All weights form one vector. The first cosine belongs to update 2.
    """

    reads_gradients = True

    def on_train_start(self) -> None:
        self._first = _flat(self.model)
        self._last, self._weights = self._first.clone(), torch.empty_like(self._first)
        # Two buffers that are swapped: allocating memory at each update costs more than the arithmetic.
        self._last_gradient, self._gradient = torch.empty_like(self._first), torch.empty_like(self._first)
        self._length = self._gradients = self._cosines = 0.0

    def on_update(self, number: int, /) -> None:
        weights, gradient = _flat(self.model, out=self._weights), _flat_gradient(self.model, out=self._gradient)
        self._length += torch.dist(weights, self._last).item()
        self._gradients += self.config.lr * gradient.norm().item()
        if number > 1:
            self._cosines += torch.cosine_similarity(gradient, self._last_gradient, dim=0).item()
        self._last, self._weights = weights, self._last
        self._last_gradient, self._gradient = gradient, self._last_gradient

    def measure(self, number: int) -> None:
        self.add_reading("path_length", number, self._length)
        self.add_reading("gradient_path", number, self._gradients)
        self.add_reading("displacement", number, torch.dist(self._last, self._first).item())
        if number > 1:
            self.add_reading("gradient_cosine", number, self._cosines / (number - 1))


class Trajectory(Probe):
    """The weights after each of the first 100 updates, each as 1,024 numbers, for pictures of paths.

    A count sketch (Charikar et al. 2002; Weinberger et al. 2009 as "feature hashing"): every weight is added, with a
    random sign, to one of 1,024 random places. It is linear, the same for every run, and keeps squared distances within
    about √(2/1,024) = 4 %.
    """

    def on_train_start(self) -> None:
        generator = torch.Generator().manual_seed(derive(0, "sketch"))
        size = len(_flat(self.model))
        device = self.dataset.train_inputs.device
        self._places = torch.randint(SKETCH, (size,), generator=generator).to(device)
        self._signs = (torch.randint(2, (size,), generator=generator) * 2 - 1).to(device)
        self._origin = _flat(self.model)
        self._points = [torch.zeros(SKETCH, device=device)]

    def on_update(self, number: int, /) -> None:
        if number <= DRAWN_UPDATES:
            moved = (_flat(self.model) - self._origin) * self._signs
            self._points.append(torch.zeros_like(self._points[0]).index_add_(0, self._places, moved))

    @property
    def points(self) -> Tensor:
        """Float16 [updates + 1, 1,024]: the sketched path from the initial weights."""
        return torch.stack(self._points).to(torch.float16)


class GradientNoise(Probe):
    """The variance of mini-batch gradients at fixed weights: before training ("start") and after it ("end").

    `gradient_covariance_start`, `…_end`: tr Cov(g_B), the mean of ‖g_B − G‖² over 64 batches of B images drawn without
    replacement, where G is the gradient over all n training images; its step is B. `gradient_square_…`: ‖G‖², its step
    is n.
    """

    def on_train_start(self) -> None:
        self._training = self.indices.train
        self._generator = torch.Generator().manual_seed(derive(self.config.seed, "gradient noise"))
        self._measure("start")

    def on_train_end(self) -> None:
        self._measure("end")

    def _measure(self, when: str) -> None:
        frozen = copy.deepcopy(self.model).eval()
        images = len(self._training)
        full = self._gradient(frozen, self._training)
        self.add_reading(f"gradient_square_{when}", images, full.square().sum().item())
        for size in NOISE_BATCHES:
            if size < images:
                spread = 0.0
                for _ in range(NOISE_DRAWS):
                    drawn = torch.randint(images, (size,), generator=self._generator)
                    if len(drawn.unique()) < size:  # rare for small batches; permuting all n is slow
                        drawn = torch.randperm(images, generator=self._generator)[:size]
                    spread += (self._gradient(frozen, self._training[drawn]) - full).square().sum().item()
                self.add_reading(f"gradient_covariance_{when}", size, spread / NOISE_DRAWS)

    def _gradient(self, frozen: Model, indices: Tensor) -> Tensor:
        chosen = indices.to(self.dataset.train_inputs.device)
        frozen.zero_grad()
        images = self.dataset.train_inputs.index_select(0, chosen)
        nll_loss(frozen(images), self.dataset.train_labels.index_select(0, chosen)).backward()
        return _flat_gradient(frozen)


def _flat(model: Model, out: Tensor | None = None) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()], out=out)


def _flat_gradient(model: Model, out: Tensor | None = None) -> Tensor:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return torch.cat([gradient.flatten() for gradient in gradients], out=out)
