"""Stacks on a GPU that torch only pretends to have: its tensors have shapes and a place, but no numbers."""

from contextlib import nullcontext

import pytest
import torch
from support.fake_cuda_graph import pretend
from support.stack_helpers import SHAPES, mixture
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from harness.data.dataset import split_indices
from harness.training.loop import evaluate
from harness.training.model import initial_model
from harness.training.stacked import cuda_graph
from harness.training.stacked.loop import StackedTrainer

GPU = torch.device("cuda", 0)


class PretendedGPU(FakeTensorMode):
    """Raises where a tensor on the CPU meets one on the GPU. `waits` counts the numbers and tensors that were fetched
    from the GPU, for each of which a real one would have to catch up first; a number is always 1."""

    def __init__(self):
        super().__init__(allow_non_fake_inputs=True)
        self.waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensor = args[0] if args else None
        is_there = isinstance(tensor, FakeTensor) and tensor.device == GPU
        if func is torch.ops.aten._local_scalar_dense.default:
            self.waits += is_there
            return 1.0 if tensor.is_floating_point() else 1
        made = super().__torch_dispatch__(func, types, args, kwargs)
        self.waits += is_there and func is torch.ops.aten._to_copy.default and made.device != GPU
        return made


def move(model):
    """To the GPU, as `.to` does, which does not know pretended tensors."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, torch.nn.Parameter(parameter.detach().to(GPU)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(GPU))
    return model


def stack(digits, configs, **options):
    models = [initial_model(one, digits) for one in configs]
    gpu = PretendedGPU()
    with gpu:
        return gpu, StackedTrainer(configs, digits.to(GPU), [move(model) for model in models], **options)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_epoch_runs_on_the_gpu_alone_and_waits_for_it_only_at_its_end(digits, shape):
    gpu, stacked = stack(digits, mixture(**shape | {"split": "lesson"}))
    gpu.waits = 0
    with gpu:
        records = next(stacked.epochs())
    assert len(records) == len(mixture())
    assert gpu.waits == 2  # losses and hits of all its updates


class EmptyGraph(nullcontext):
    replays = 0

    def replay(self):
        self.replays += 1


def test_an_epoch_of_graphs_waits_for_the_gpu_only_at_its_end(digits, monkeypatch):
    graphs = pretend(monkeypatch, EmptyGraph)
    monkeypatch.setattr(cuda_graph, "UPDATES_BEFORE", 2)
    gpu, stacked = stack(digits, mixture(split="lesson"))
    gpu.waits = 0
    with gpu:
        next(stacked.epochs())
    assert graphs[0].replays
    assert gpu.waits == 2


def test_evaluation_runs_on_the_gpu_too(digits):
    one, *_ = mixture()
    model, validation = initial_model(one, digits), split_indices(digits.train_labels, one.split, one.seed).validation
    gpu = PretendedGPU()
    with gpu:
        there = digits.to(GPU)
        evaluate(move(model), there.train_inputs, there.train_labels, validation)
    assert gpu.waits == 2  # losses and hits of all its parts
