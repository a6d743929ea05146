"""Updates of a stack on a GPU as a CUDA graph: captured once, then launched as a whole.

A GPU is done with an update of a small stack sooner than Python can ask for its twenty to forty operations. A graph
asks for all of them at once. It reads and writes where it did when captured, so each batch is copied there first.
"""

import torch
from torch import Tensor

from harness.training.stacked.mlp import Batch, StackedMLP
from harness.training.stacked.norms import PixelStatistics

# Made operation by operation before a graph is captured, which takes a while: stacks shrink, and then begin anew. A
# guess: no GPU was at hand to measure what is best.
UPDATES_BEFORE = 300


class Graphed:
    """`update` does what that of `stack` does; in the end by a graph, for batches of `size`.

    Good until `StackedMLP.keep`, which moves the weights.
    """

    def __init__(self, stack: StackedMLP, size: int) -> None:
        self._stack = stack
        self._size = size
        self._made = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def update(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """As `StackedMLP.update`; `step` may change from one to the next."""
        if batch.labels.shape[2] != self._size:  # an epoch's last
            return self._stack.update(batch, step)
        self._made += 1
        if self._made < UPDATES_BEFORE:
            return self._stack.update(batch, step)
        if self._graph is None:
            return self._update_and_capture(batch, step)
        for there, here in zip(_tensors(*self._captured), _tensors(batch, step), strict=True):
            there.copy_(here)
        self._graph.replay()
        log_probabilities, hits = self._results
        return log_probabilities.clone(), hits.clone()

    def _update_and_capture(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """The update is made on the stream that then captures, as libraries keep workspaces for each stream; what is
        captured is not made."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            results = self._stack.update(batch, step)
        torch.cuda.current_stream().wait_stream(stream)
        self._captured = _copies(batch, step)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._results = self._stack.update(*self._captured)
        return results


def _tensors(batch: Batch, step: Tensor) -> list[Tensor]:
    return [batch.images, batch.labels, step, *(batch.statistics or ())]


def _copies(batch: Batch, step: Tensor) -> tuple[Batch, Tensor]:
    images, labels, step, *statistics = (tensor.clone() for tensor in _tensors(batch, step))
    return Batch(images, labels, PixelStatistics(*statistics) if statistics else None), step
