"""Stacks whose updates are launched as graphs, held to stacks that ask for each operation: pretended, on a CPU."""

import pytest
import torch
from support.fake_cuda_graph import pretend
from support.stack_helpers import config, mixture, models_of, timeless

from harness.training.probes.registry import Probes
from harness.training.stacked import cuda_graph
from harness.training.stacked.cuda_graph import CudaGraphUpdate
from harness.training.stacked.loop import StackedTrainer

SHAPES = {
    "search": {},
    "BatchNorm after the hidden layer": {"hidden_batch_norm": True},
    "stopped in mid-epoch": {"updates": 20},
    "in parts, the last batch at once": {"batch_size": 600, "split": "lesson"},
    "in bfloat16": {"precision": "bfloat16"},
}


def with_graphs(monkeypatch):
    """Have every stack that is made from now on use graphs, from its third update on; the graphs that they capture."""
    monkeypatch.setattr(cuda_graph, "UPDATES_BEFORE", 2)
    monkeypatch.setattr(
        StackedTrainer,
        "_update_function",
        lambda self: CudaGraphUpdate(self._stack, self._configs[0].batch_size).update,
    )
    return pretend(monkeypatch)


def together(configs, dataset, probes=()):
    models = models_of(configs, dataset)
    observers = [Probes(probes, one, dataset, model) for one, model in zip(configs, models, strict=True)]
    stacked = StackedTrainer(configs, dataset, models, observers=observers)
    return [{number: timeless(one) for number, one in epoch.items()} for epoch in stacked.epochs()], models


@pytest.mark.parametrize("probes", [(), ("path",)], ids=["plain", "with gradients"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_stack_with_graphs_is_bit_for_bit_one_without(digits, monkeypatch, shape, probes):
    usual, usual_models = together(mixture(**shape), digits, probes)
    graphs = with_graphs(monkeypatch)
    records, models = together(mixture(**shape), digits, probes)
    assert repr(records) == repr(usual)
    for model, other in zip(models, usual_models, strict=True):
        for after, before in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(after, before)
    assert graphs[0].replays
    assert len(graphs) == (1 if "updates" in shape else 2)  # the second without the run of two epochs


def test_a_batch_of_another_size_is_not_in_the_graph(digits, monkeypatch):
    graphs = with_graphs(monkeypatch)
    ((records,), _) = together([config(epochs=1)], digits)
    (graph,) = graphs
    assert graph.replays == records[0].steps - 3  # without the first two, and the last


def test_what_an_update_is_given_may_change(digits, monkeypatch):
    """Batches with statistics, and steps, each other than those that were captured."""
    monkeypatch.setattr(cuda_graph, "UPDATES_BEFORE", 1)
    pretend(monkeypatch)
    one = config(batch_norm=True, gamma=0.9)
    sides = [StackedTrainer([one], digits, models_of([one], digits)) for _ in range(2)]
    graphed = CudaGraphUpdate(sides[0]._stack, one.batch_size)
    for number, (batch, same) in enumerate(zip(*(side._batches() for side in sides), strict=True), start=1):
        step = torch.full((1, 1, 1), -0.1 / number)
        results = zip(graphed.update(batch, step), sides[1]._stack.update(same, step), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in results)
    assert torch.equal(*(side._models[0].hidden.weight for side in sides))
