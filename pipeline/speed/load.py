"""How busy the machine is with other work while something is timed."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

STAT = Path("/proc/stat")
WORKING = (1, 2, 3, 6, 7)
"""Fields of its first line: user, nice, system, interrupts."""


def working_seconds() -> float:
    """Processor seconds that all processes of the machine have used; NaN where Linux's /proc does
    not say."""
    if not STAT.is_file():
        return float("nan")
    fields = STAT.read_text().split("\n", 1)[0].split()
    return sum(int(fields[place]) for place in WORKING) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Watch:
    """Started when it is made."""

    wall: float = field(default_factory=time.monotonic)
    own: float = field(default_factory=time.process_time)
    everyone: float = field(default_factory=working_seconds)

    def other_cores(self) -> float:
        """How many cores other processes kept busy since the start, on average; NaN if unknown."""
        spent = working_seconds() - self.everyone - (time.process_time() - self.own)
        return max(spent, 0.0) / max(time.monotonic() - self.wall, 1e-9)
