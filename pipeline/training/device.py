"""The device to train on, its threads, and what machine it is part of."""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from pipeline.errors import InputError
from pipeline.models import precision

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def device(name: str) -> torch.device:
    """The device for ``impl.device``, which computes in float32 unless it is told otherwise.

    Raises InputError when a GPU is asked for where there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("impl.device: 'cuda' needs a CUDA GPU and a torch that sees it")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        precision.round_products(False)
    return torch.device(name)


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread inside, as many as before afterwards: networks this small keep one core
    busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def on_one_thread(job: Callable[[Argument], Result]) -> Callable[[Argument], Result]:
    """The job with one intra-op thread, for a process that is forked to do it.

    It is set in that process: whatever pool of threads its parent has started did not come along,
    and an operation that wanted it would abort.
    """

    def alone(argument: Argument) -> Result:
        with one_thread():
            return job(argument)

    return alone


def processor(where: torch.device) -> str:
    """The model name of the GPU or CPU."""
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe(where: torch.device) -> dict[str, str | int]:
    """Device, processor, cores, memory, threads and versions."""
    return {
        "device": where.type,
        "processor": processor(where),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_bytes(where) / 2**30),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def memory_bytes(where: torch.device) -> int:
    """The memory of the GPU, or of the machine."""
    if where.type == "cuda":
        return int(torch.cuda.get_device_properties(where).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
