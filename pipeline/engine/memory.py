"""The peak of memory that tensors hold while a function runs."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorPeak(TorchDispatchMode):
    """Counts the bytes of every storage that an operation makes on a device, until it is freed.

    The fake tensors of a tracing hold nothing and are not counted.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device_type = device.type
        self.held_bytes = 0
        self.peak_bytes = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and count the storages it returns that were not known before."""
        for storage in self._storages((args, kwargs)):
            self._known.add(storage)
        result = func(*args, **(kwargs or {}))
        for storage in self._storages(result):
            if storage not in self._known:
                self._count(storage)
        return result

    def _storages(self, tree: Any) -> list[torch.UntypedStorage]:
        return [
            leaf.untyped_storage()
            for leaf in tree_leaves(tree)
            if isinstance(leaf, Tensor)
            and not isinstance(leaf, FakeTensor)
            and leaf.device.type == self.device_type
        ]

    def _count(self, storage: torch.UntypedStorage) -> None:
        self._known.add(storage)
        size = storage.nbytes()
        self.held_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)
        weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self.held_bytes -= size


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """The most bytes that tensors made by ``run`` held at once; what existed before is not counted.

    On CUDA the allocator's own peak, on a CPU a count of storages.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    with TensorPeak(device) as counter:
        run()
    return counter.peak_bytes
