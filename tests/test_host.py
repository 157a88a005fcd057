"""What a process may use of its machine, told by the files of control groups."""

import os
from pathlib import Path

import pytest

from pipeline.host import available_cores, free_bytes

EVERYWHERE = len(os.sched_getaffinity(0))
MEMORY_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
MEMORY_2 = ("memory.max", "memory.current", "")


def told(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return path


@pytest.mark.parametrize("group", ["job/step", "job", "."])
@pytest.mark.parametrize(("controllers", "top"), [("", "."), ("cpu", "cpu"), ("cpu,io", "cpu,io")])
@pytest.mark.parametrize(
    ("quota", "cores"), [("max", EVERYWHERE), ("100000", 1), ("50000", 1), ("9" * 9, EVERYWHERE)]
)
def test_cores_are_those_that_a_group_may_keep_busy(
    tmp_path: Path, group: str, controllers: str, top: str, quota: str, cores: int
) -> None:
    """In the process's group, in one above it, and where its path is that outside a container."""
    own = told(tmp_path / "cgroup", f"4:{controllers}:/job/step")
    folder = tmp_path / top / group
    if controllers:
        told(folder / "cpu.cfs_quota_us", quota.replace("max", "-1"))
        told(folder / "cpu.cfs_period_us", "100000")
    else:
        told(folder / "cpu.max", f"{quota} 100000")
    assert available_cores(tmp_path, own) == cores


@pytest.mark.parametrize(("line", "names"), [("0::/a/b", MEMORY_2), ("9:memory:/a/b", MEMORY_1)])
def test_memory_is_what_the_tightest_group_may_still_take(
    tmp_path: Path, line: str, names: tuple[str, str, str]
) -> None:
    """Files that it has read do not count: Linux gives their memory back."""
    own = told(tmp_path / "cgroup", line)
    top = tmp_path / ("memory" if "memory" in line else "")
    for folder, limit in ((top / "a", 5000), (top / "a/b", 9000)):
        told(folder / names[0], str(limit))
        told(folder / names[1], "4000")
    assert free_bytes(tmp_path, own) == 1000
    told(top / "a/memory.stat", f"anon 3000\n{names[2]}inactive_file 1000")
    assert free_bytes(tmp_path, own) == 2000
    told(top / "a" / names[1], "9000")
    assert free_bytes(tmp_path, own) == 0


@pytest.mark.parametrize("shown", ["memory.max", "memory.limit_in_bytes", "cpu.cfs_quota_us"])
def test_a_group_that_is_shown_in_part_limits_nothing(tmp_path: Path, shown: str) -> None:
    own = told(tmp_path / "cgroup", "0::/\n3:memory:/\n4:cpu:/\nno line of a group")
    for top in (tmp_path, tmp_path / "memory", tmp_path / "cpu"):
        told(top / shown, "1000")
    assert free_bytes(tmp_path, own) > 2**20
    assert available_cores(tmp_path, own) == EVERYWHERE


def test_without_a_limit_it_is_what_the_machine_has(tmp_path: Path) -> None:
    own = told(tmp_path / "cgroup", "0::/")
    told(tmp_path / "memory.max", "max")
    for place in (own, tmp_path / "nowhere"):
        assert free_bytes(tmp_path, place) > 2**20
        assert available_cores(tmp_path, place) == EVERYWHERE
