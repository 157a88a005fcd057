"""How much memory there is, how much a function takes, and when there was too little."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline import host

USABLE_MEMORY = 0.8
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class HeldBytes(TorchDispatchMode):
    """Counts the bytes of every storage that an operation makes on a device, until it is freed.

    after: what was held after each operation that made one.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device_type = device.type
        self.after: list[int] = []
        self._held = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing is compiled under this mode, and skipping would import the compiler."""
        return False

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
            if isinstance(leaf, Tensor) and leaf.device.type == self.device_type
        ]

    def _count(self, storage: torch.UntypedStorage) -> None:
        self._known.add(storage)
        size = storage.nbytes()
        self._held += size
        self.after.append(self._held)
        weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self._held -= size


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
    return max(held_bytes(run, device), default=0)


def held_bytes(run: Callable[[], object], device: torch.device) -> list[int]:
    """What tensors made by ``run`` held together after each operation that made one."""
    with HeldBytes(device) as counter:
        run()
    return counter.after


def peak_bytes_of_rows(
    prepared: Callable[[int], Callable[[], object]], rows: int, device: torch.device, few: int = 32
) -> int:
    """The peak of ``prepared(rows)()``, told from ``few``, two and four times as many rows where
    rows are more.

    What is held after each of the same operations is affine in the rows. Where other rows take
    other operations, or the largest of the three is off the line, all rows are run.
    """
    if rows > 4 * few:
        small, middle, large = (
            np.array(held_bytes(prepared(share * few), device), dtype=np.float64)
            for share in (1, 2, 4)
        )
        if len(small) == len(middle) == len(large):
            slope = (middle - small) / few
            if np.allclose(small + slope * 3 * few, large, rtol=1e-3):
                return round(float((small + slope * (rows - few)).max(initial=0)))
    return max(held_bytes(prepared(rows), device), default=0)


def reserved_bytes(device: torch.device) -> float:
    """What CUDA's allocator had reserved at most since the last ``peak_bytes``; NaN on a CPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    return float("nan")


def free_bytes(device: torch.device) -> int:
    """Memory that can be had now: of the GPU, or of this machine."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host.free_bytes()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator said no: torch has a type for it on GPUs, words on CPUs."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error).lower() for words in OUT_OF_MEMORY)
