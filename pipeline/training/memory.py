"""How much memory there is, how much a function takes, and when there was too little."""

import os
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

USABLE_MEMORY = 0.8
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


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
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    with TensorPeak(device) as counter:
        run()
    return counter.peak_bytes


def reserved_bytes(device: torch.device) -> float:
    """What CUDA's allocator had reserved at most since the last ``peak_bytes``; NaN on a CPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    return float("nan")


def free_bytes(device: torch.device) -> int:
    """Memory that can be had now: of the GPU, or what Linux calls available."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator said no: torch has a type for it on GPUs, words on CPUs."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error).lower() for words in OUT_OF_MEMORY)
