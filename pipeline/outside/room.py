"""How many calls of a program a machine has room for side by side."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.host import available_cores, free_bytes
from pipeline.outside.trainings import Timed
from pipeline.workspace import files

MEMORY_SHARE = 0.8
"""Of the memory that is free; the rest is for what calls grow by."""
WORKS_HERE = 0.5
"""A program that keeps fewer cores busy than this works elsewhere: on a server, in a container."""


@dataclass(frozen=True)
class Used:
    """Processor seconds of what this process has started and seen the end of, and the peak of
    resident bytes of the largest process among them."""

    processor_seconds: float
    peak_bytes: int

    @classmethod
    def so_far(cls) -> "Used":
        """From the system's own count."""
        import resource  # not there on Windows, where tables of runs can be read

        told = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(told.ru_utime + told.ru_stime, told.ru_maxrss * 1024)

    def since(self, before: "Used") -> "Used":
        """Without the processor seconds of before; the peak is that of all."""
        return Used(self.processor_seconds - before.processor_seconds, self.peak_bytes)


def calls_at_once(timed: Sequence[Timed], cores: int, free_bytes: int) -> int:
    """How many whole trainings keep so many cores busy and fit in so much memory, by what each was
    seen to use; 1 at least, and where they work elsewhere."""
    busy = max(each.cores for each in timed)
    if busy < WORKS_HERE:
        return 1
    fitting = int(MEMORY_SHARE * free_bytes / max(each.peak_bytes for each in timed))
    return max(1, min(cores, round(cores / busy), fitting))


def here(timed: Sequence[Timed]) -> int:
    """``calls_at_once`` of this machine. Where there is a GPU it is one: what a call takes of it
    nobody here knows."""
    return 1 if has_gpu() else calls_at_once(timed, available_cores(), free_bytes())


def has_gpu() -> bool:
    """Whether this machine seems to have a GPU that programs train on."""
    is_apple = platform.system() == "Darwin"
    return is_apple or shutil.which("nvidia-smi") is not None or Path("/dev/kfd").exists()


def measured() -> int:
    """What was found when calls were timed; 1 where none were."""
    timings = files.RESULTS / "throughput.csv"
    found = pd.read_csv(timings) if timings.is_file() else pd.DataFrame()
    return int(found["calls_at_once"].iloc[0]) if "calls_at_once" in found else 1
