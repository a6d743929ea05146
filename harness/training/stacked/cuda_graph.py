"""Updates of a stack on a GPU as a CUDA graph: captured once, then launched as a whole.

A GPU finishes an update of a small stack faster than Python can launch its twenty to forty operations. A graph launches
them together. It uses the memory that it was captured with, so each batch is copied there first.
"""

import torch
from torch import Tensor

from harness.training.stacked.mlp import Batch, StackedMLP
from harness.training.stacked.norms import PixelStatistics

# Updates before a graph is captured. Capturing takes time, and a stack that shrinks has to capture again. This is a
# guess: no GPU was available to measure it.
UPDATES_BEFORE = 300


class CudaGraphUpdate:
    """`update` does what `StackedMLP.update` does, after some updates by a graph, for batches of `size`.

    Valid until `StackedMLP.select`, which moves the weights.
    """

    def __init__(self, stack: StackedMLP, size: int) -> None:
        self._stack = stack
        self._size = size
        self._updates = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def update(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """As `StackedMLP.update`; `step` may change between updates."""
        if batch.labels.shape[2] != self._size:  # the last batch of an epoch
            return self._stack.update(batch, step)
        self._updates += 1
        if self._updates < UPDATES_BEFORE:
            return self._stack.update(batch, step)
        if self._graph is None:
            return self._update_and_capture(batch, step)
        for there, here in zip(_tensors(*self._captured), _tensors(batch, step), strict=True):
            there.copy_(here)
        self._graph.replay()
        log_probabilities, hits = self._results
        return log_probabilities.clone(), hits.clone()

    def _update_and_capture(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """Update on the stream that captures, because libraries keep workspaces per stream. Capturing runs nothing."""
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
