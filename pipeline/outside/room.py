"""How many calls of a program a machine has room for side by side."""

import platform
import resource
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil

from pipeline.executors.processes import available_cores
from pipeline.outside.trainings import Timed
from pipeline.workspace import files

MEMORY_SHARE = 0.8
"""Of the memory that is free; the rest is for what calls grow by."""
BYTES_PER_UNIT = 1 if platform.system() == "Darwin" else 1024
"""Of the peak memory that the system tells."""


@dataclass(frozen=True)
class Used:
    """Processor seconds and the peak of resident bytes of what this process has started and seen
    the end of."""

    processor_seconds: float
    peak_bytes: int

    @classmethod
    def so_far(cls) -> "Used":
        """From the system's own count."""
        told = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(told.ru_utime + told.ru_stime, told.ru_maxrss * BYTES_PER_UNIT)

    def since(self, before: "Used") -> "Used":
        """Without the processor seconds of before; the peak is that of all."""
        return Used(self.processor_seconds - before.processor_seconds, self.peak_bytes)


def calls_at_once(timed: Sequence[Timed], cores: int, free_bytes: int) -> int:
    """How many whole trainings keep so many cores busy and fit in so much memory, by what each was
    seen to use; 1 at least."""
    busy = max(each.cores for each in timed)
    peak_bytes = max(each.peak_bytes for each in timed)
    fitting = int(MEMORY_SHARE * free_bytes / max(peak_bytes, 1))
    return max(1, min(cores, round(cores / busy) if busy > 0 else cores, fitting))


def here(timed: Sequence[Timed]) -> int:
    """``calls_at_once`` of this machine. Where there is a GPU it is one: what a call takes of it
    nobody here knows."""
    if has_gpu():
        return 1
    return calls_at_once(timed, available_cores(), psutil.virtual_memory().available)


def has_gpu() -> bool:
    """Whether this machine seems to have a GPU that programs train on."""
    is_apple = platform.system() == "Darwin"
    return is_apple or shutil.which("nvidia-smi") is not None or Path("/dev/kfd").exists()


def measured() -> int:
    """What was found when calls were timed; 1 where none were."""
    timings = files.RESULTS / "throughput.csv"
    found = pd.read_csv(timings) if timings.is_file() else pd.DataFrame()
    return int(found["calls_at_once"].iloc[0]) if "calls_at_once" in found else 1
