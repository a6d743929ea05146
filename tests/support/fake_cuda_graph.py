"""A stand-in for CUDA's graphs on a CPU, with what is hard about them: places stay, and Python does not run again."""

from contextlib import contextmanager, nullcontext

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


class PretendedGraph(TorchDispatchMode):
    """As a `CUDAGraph`: notes operations without their effect; `replay` does them again, at the same places.

    It keeps alive what was made in between, which holds nothing before the first replay, and nothing else: a replay
    that would touch memory given back since then raises. What it cannot show: streams, and waiting for the GPU.
    """

    def __init__(self):
        super().__init__()
        self._calls, self._own, self._before = [], {}, {}
        self.replays = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in tensors(args, kwargs):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._own:
                self._before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        made = func(*args, **kwargs)
        for tensor in tensors(made):
            if tensor.untyped_storage().data_ptr() not in self._before:
                self._own[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        self._calls.append((func, *tree_map_only(torch.Tensor, Place, (args, kwargs, made))))
        return made

    def __exit__(self, *exception):
        super().__exit__(*exception)
        for storage in self._own.values():
            storage.fill_(255)  # NaN, as a floating point number
        for storage, content in self._before.values():
            storage.copy_(content)
        self._before = {}

    def replay(self):
        self.replays += 1
        for func, *places in self._calls:
            args, kwargs, made = tree_map_only(Place, Place.tensor, places)
            for there, here in zip(tensors(made), tensors(func(*args, **kwargs)), strict=True):
                if there.data_ptr() != here.data_ptr():
                    there.copy_(here)


class Place:
    """Where a tensor lies, without keeping it alive."""

    def __init__(self, tensor):
        self._storage = StorageWeakRef(tensor.untyped_storage())
        self._dtype = tensor.dtype
        self._layout = tensor.storage_offset(), tensor.size(), tensor.stride()

    def tensor(self):
        storage = torch.UntypedStorage._new_with_weak_ptr(self._storage.cdata)
        assert storage is not None, "a graph touches memory that was given back"
        return torch.empty(0, dtype=self._dtype).set_(storage, *self._layout)


def tensors(*values):
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


class PretendedStream:
    def wait_stream(self, other):
        pass


def pretend(monkeypatch, kind=PretendedGraph):
    """Have torch record graphs of this kind, and list them."""
    recorded = []

    def graph():
        recorded.append(kind())
        return recorded[-1]

    @contextmanager
    def recording(graph, stream):
        with graph:
            yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "Stream", PretendedStream)
    monkeypatch.setattr(torch.cuda, "current_stream", PretendedStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    return recorded
