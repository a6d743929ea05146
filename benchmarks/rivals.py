"""One epoch of the lesson's network as other libraries do it, and as the lesson does; each in its own usual way.

Every function gives a callable that trains an epoch of one run and returns its seconds.
"""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from bench import seconds_of
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from harness.data.dataset import Dataset
from harness.reference.lesson_loop import LessonModel, fit, samples

LR, GAMMA, HIDDEN, CLASSES = 0.05, 0.9, 128, 10
VMAP_RUNS = 8
RIVAL = "JAX scan under vmap, 8 runs"
Epoch = Callable[[], float]


def lesson_loop(dataset: Dataset, batch_size: int) -> Epoch:
    """§5's own loop: DataLoader, ToTensor, its running accuracy; its progress line left out."""
    images = samples(dataset, dataset.train_inputs, dataset.train_labels)
    loader = DataLoader(images, batch_size=batch_size, shuffle=True)

    def epoch() -> None:
        for _ in fit(LessonModel(dataset.shape, CLASSES), loader, LR, epochs=1, gamma=GAMMA):
            pass

    return lambda: seconds_of(epoch)


def _floats(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    return dataset.train_inputs.flatten(1).float() / 255, dataset.train_labels


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(784, HIDDEN, bias=False), nn.ReLU(), nn.Linear(HIDDEN, CLASSES, bias=False))


def lightning(dataset: Dataset, batch_size: int) -> Epoch:
    """Tensors in memory, whole batches taken from them at once."""
    import lightning as L

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Lesson(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = _net()

        def training_step(self, batch: Any) -> torch.Tensor:
            x, y = batch
            return nn.functional.cross_entropy(self.net(x), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=LR, momentum=GAMMA)

    data = TensorDataset(*_floats(dataset))
    loader = DataLoader(data, sampler=BatchSampler(RandomSampler(data), batch_size, drop_last=False), batch_size=None)

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            L.Trainer(
                max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
                enable_model_summary=False,
            ).fit(Lesson(), loader)  # fmt: skip

    return lambda: seconds_of(epoch)


def skorch(dataset: Dataset, batch_size: int) -> Epoch:
    """Arrays in memory."""
    from skorch import NeuralNetClassifier

    x, y = (tensor.numpy() for tensor in _floats(dataset))

    def epoch() -> None:
        NeuralNetClassifier(
            _net, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, optimizer__momentum=GAMMA, lr=LR,
            batch_size=batch_size, max_epochs=1, train_split=None, iterator_train__shuffle=True, verbose=0,
        ).fit(x, y)  # fmt: skip

    return lambda: seconds_of(epoch)


def scikit_learn(dataset: Dataset, batch_size: int) -> Epoch:
    """With biases, which it has always; plain momentum."""
    from sklearn.neural_network import MLPClassifier

    x, y = (tensor.numpy() for tensor in _floats(dataset))

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one epoch does not converge
            MLPClassifier(
                (HIDDEN,), solver="sgd", alpha=0, batch_size=batch_size, learning_rate_init=LR, momentum=GAMMA,
                nesterovs_momentum=False, max_iter=1,
            ).fit(x, y)  # fmt: skip

    return lambda: seconds_of(epoch)


def torch_vmap(dataset: Dataset, batch_size: int) -> Epoch:
    """`torch.func`: gradients of 8 runs at once."""
    from torch.func import functional_call, grad_and_value, stack_module_state, vmap

    x, y = _floats(dataset)
    nets = [_net() for _ in range(VMAP_RUNS)]
    weights, _ = stack_module_state(nets)

    def loss(weights: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(functional_call(nets[0], weights, (x,)), y)

    gradients = vmap(grad_and_value(loss))

    def epoch() -> None:
        moving = {name: weight.detach().clone() for name, weight in weights.items()}
        velocity = {name: torch.zeros_like(weight) for name, weight in moving.items()}
        orders = torch.stack([torch.randperm(len(y)) for _ in range(VMAP_RUNS)])
        for batch in orders.split(batch_size, dim=1):
            gradient, _ = gradients(moving, x[batch], y[batch])
            for name, weight in moving.items():
                velocity[name].mul_(GAMMA).add_(gradient[name], alpha=-LR)
                weight.add_(velocity[name])

    return lambda: seconds_of(epoch) / VMAP_RUNS


def jax_scan(dataset: Dataset, batch_size: int, runs: int, grey: bool) -> Epoch:
    """An epoch as one `scan`, compiled before it is timed; `runs` of them under `vmap`. Whole batches alone, in the
    proportion of the images. `grey`: bytes widened batch by batch, else floats in memory."""
    import jax
    import jax.numpy as jnp

    images = jnp.asarray(dataset.train_inputs.flatten(1).numpy())
    images = images if grey else images.astype(jnp.float32) / 255
    labels = jnp.asarray(dataset.train_labels.numpy().astype(np.int32))

    def loss(weights: Any, x: Any, y: Any) -> Any:
        log_probabilities = jax.nn.log_softmax(jax.nn.relu(x @ weights[0]) @ weights[1])
        right = (log_probabilities.argmax(1) == y).sum()
        return -jnp.take_along_axis(log_probabilities, y[:, None], 1).mean(), right

    def update(state: Any, batch: Any) -> Any:
        weights, velocity = state
        x = images[batch].astype(jnp.float32) / 255 if grey else images[batch]
        (value, right), gradient = jax.value_and_grad(loss, has_aux=True)(weights, x, labels[batch])
        velocity = jax.tree.map(lambda v, g: GAMMA * v - LR * g, velocity, gradient)
        return (jax.tree.map(jnp.add, weights, velocity), velocity), (value, right)

    def run(weights: Any, order: Any) -> Any:
        state, (losses, right) = jax.lax.scan(update, (weights, jax.tree.map(jnp.zeros_like, weights)), order)
        return state, losses.mean(), right.sum()

    rng = np.random.default_rng(1)
    whole = len(labels) // batch_size
    orders = np.stack([rng.permutation(len(labels))[: whole * batch_size] for _ in range(runs)])
    orders = jnp.asarray(orders.reshape(runs, whole, batch_size))
    weights = (
        jnp.asarray(rng.uniform(-1, 1, (runs, 784, HIDDEN)) / 28, jnp.float32),
        jnp.asarray(rng.uniform(-1, 1, (runs, HIDDEN, CLASSES)) / 11.3, jnp.float32),
    )
    compiled = jax.jit(jax.vmap(run)) if runs > 1 else jax.jit(run)
    given = (weights, orders) if runs > 1 else jax.tree.map(lambda array: array[0], (weights, orders))
    jax.block_until_ready(compiled(*given))
    share = len(labels) / (whole * batch_size)
    return lambda: seconds_of(lambda: jax.block_until_ready(compiled(*given))) / runs * share


def best_jax(dataset: Dataset, batch_size: int, runs: int) -> Epoch:
    """The faster of both ways to keep the images."""
    ways = [jax_scan(dataset, batch_size, runs, grey) for grey in (False, True)]
    return lambda: min(way() for way in ways)


RIVALS: dict[str, tuple[str, Callable[[Dataset, int], Epoch]]] = {
    "Lightning": ("lightning", lightning),
    "skorch": ("skorch", skorch),
    "scikit-learn MLPClassifier": ("sklearn", scikit_learn),
    "torch.func vmap, 8 runs": ("torch", torch_vmap),
    "JAX scan": ("jax", lambda dataset, size: best_jax(dataset, size, 1)),
    RIVAL: ("jax", lambda dataset, size: best_jax(dataset, size, VMAP_RUNS)),
}
