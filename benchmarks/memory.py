"""Memory of the tensors that a piece of work makes, on any device: the largest tensor, and the peak of all tensors alive."""

from __future__ import annotations

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MadeTensors(TorchDispatchMode):
    """Watches every operation inside `with`. Memory shared by views counts once."""

    def __init__(self) -> None:
        super().__init__()
        self.live_bytes = self.peak_bytes = self.largest_bytes = 0
        self.counted: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        old = {id(tensor.untyped_storage()) for tensor in inputs} | self.counted
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and id(leaf.untyped_storage()) not in old | self.counted:
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        self.counted.add(id(storage))
        self.live_bytes += storage.nbytes()
        self.largest_bytes = max(self.largest_bytes, storage.nbytes())
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._gone, id(storage), storage.nbytes())

    def _gone(self, storage: int, num_bytes: int) -> None:
        self.counted.discard(storage)
        self.live_bytes -= num_bytes
