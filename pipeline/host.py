"""What this process may use of its machine: cores and memory, in a container or a cluster's job no
more than its control group and those above it allow."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows control groups: of version 2 at the top, of version 1 below what they
control."""
OWN_GROUP = Path("/proc/self/cgroup")
MEMORY_INFO = Path("/proc/meminfo")
UNREADABLE = (OSError, KeyError, ValueError, ZeroDivisionError)
"""A group that is gone, may not be read, or whose limit is shown in part only, as some sandboxes
do, limits nothing."""


@dataclass(frozen=True)
class MemoryFiles:
    """How a version of control groups names a group's limit, what it has taken, and of that in
    ``memory.stat`` what holds files that were not read of late, which Linux gives back first."""

    limit: str
    taken: str
    given_back: str


MEMORY_FILES = (
    MemoryFiles("memory.max", "memory.current", "inactive_file"),
    MemoryFiles("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_cores(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """How many cores this process may keep busy, one at least."""
    cores = len(os.sched_getaffinity(0))
    for folder in _folders("cpu", groups, own):
        with contextlib.suppress(*UNREADABLE):
            cores = min(cores, _cores(folder, cores))
    return max(1, cores)


def free_bytes(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """The memory that this process can have now: what Linux calls available, half of the machine's
    where nothing tells it, and no more than its groups may still take."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY_INFO.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except UNREADABLE:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    for folder in _folders("memory", groups, own):
        for names in MEMORY_FILES:
            with contextlib.suppress(*UNREADABLE):
                free = min(free, _free_bytes(folder, names))
    return max(0, free)


def _cores(folder: Path, most: int) -> int:
    """How many cores a group may keep busy; ``most`` where it has no limit."""
    if (folder / "cpu.max").is_file():
        quota, period = (folder / "cpu.max").read_text().split()
    else:
        quota = (folder / "cpu.cfs_quota_us").read_text().strip()
        period = (folder / "cpu.cfs_period_us").read_text()
    return most if quota in ("max", "-1") else int(quota) // int(period)


def _free_bytes(folder: Path, names: MemoryFiles) -> int:
    """What a group with a limit may still take; ValueError where it has none."""
    limit = int((folder / names.limit).read_text())
    taken = int((folder / names.taken).read_text())
    given_back = 0
    with contextlib.suppress(*UNREADABLE):
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        given_back = int(stat[names.given_back])
    return limit - taken + given_back


def _folders(controller: str, groups: Path, own: Path) -> Iterator[Path]:
    """The group of this process and those above it. Inside a container the path may be that
    outside, which is not there; the top is the container's own group then."""
    with contextlib.suppress(*UNREADABLE):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            inside = Path(path).relative_to("/")
            for top in {groups / controllers, groups / controller} if controllers else {groups}:
                yield from (top / place for place in (inside, *inside.parents))
