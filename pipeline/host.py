"""What this process may use of its machine: cores and memory, in a container or a cluster's job no
more than its control group and those above it allow."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows control groups: of version 2 at the top, of version 1 below what they
control."""
OWN_GROUP = Path("/proc/self/cgroup")
MEMORY_INFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Names:
    """How the two versions of control groups name what a group may use, and has."""

    memory_limit: str
    memory_taken: str
    memory_given_back: str
    """In ``memory.stat``: of the memory taken what holds files, and is given back when asked."""


VERSION_1 = Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
VERSION_2 = Names("memory.max", "memory.current", "inactive_file")


def available_cores(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """How many cores this process may keep busy, one at least."""
    cores = len(os.sched_getaffinity(0))
    for folder, _ in _folders("cpu", groups, own):
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        elif (folder / "cpu.cfs_quota_us").is_file():
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text()
        else:
            continue
        if quota not in ("max", "-1"):
            cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def free_bytes(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """The memory that this process can have now: what Linux calls available, and what its groups
    may still take; half of the machine's where nothing tells it."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY_INFO.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    for folder, names in _folders("memory", groups, own):
        limit = folder / names.memory_limit
        if limit.is_file() and limit.read_text().strip() != "max":
            free = min(free, int(limit.read_text()) - _held_bytes(folder, names))
    return max(0, free)


def _held_bytes(folder: Path, names: Names) -> int:
    """What a group has taken and Linux would not give back."""
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    taken = int((folder / names.memory_taken).read_text())
    return taken - int(stat[names.memory_given_back])


def _folders(controller: str, groups: Path, own: Path) -> Iterator[tuple[Path, Names]]:
    """The group of this process and those above it. Inside a container the path may be that
    outside, which is not there; the top is the container's own group then."""
    lines = own.read_text().splitlines() if own.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = groups, VERSION_2
        elif controller in controllers.split(","):
            top, names = groups / controller, VERSION_1
        else:
            continue
        inside = Path(path).relative_to("/")
        for place in (inside, *inside.parents):
            yield top / place, names
