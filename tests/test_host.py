"""What a process may use of its machine, told by the files of control groups."""

import os
from pathlib import Path

import pytest

from pipeline.host import available_cores, free_bytes

EVERYWHERE = len(os.sched_getaffinity(0))
MEMORY_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
MEMORY_2 = ("memory.max", "memory.current", "inactive_file")


def told(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return path


@pytest.mark.parametrize("line", ["0::/", "0::/job/step", "4:cpu,cpuacct:/job/step"])
@pytest.mark.parametrize(
    ("share", "cores"), [(None, EVERYWHERE), (1.0, 1), (0.5, 1), (1e6, EVERYWHERE)]
)
@pytest.mark.parametrize("where", ["own", "above", "container"])
def test_cores_are_those_that_a_group_may_keep_busy(
    tmp_path: Path, line: str, share: float | None, cores: int, where: str
) -> None:
    """In the group, in one above it, and where its path is that outside of a container."""
    own = told(tmp_path / "cgroup", line)
    version_1 = "cpu" in line
    top = tmp_path / "groups" / ("cpu" if version_1 else "")
    group = (
        top
        / {"own": line.split(":/")[1], "above": "job" if "job" in line else "", "container": ""}[
            where
        ]
    )
    if version_1:
        told(group / "cpu.cfs_quota_us", "-1" if share is None else str(round(share * 100_000)))
        told(group / "cpu.cfs_period_us", "100000")
    else:
        told(group / "cpu.max", f"{'max' if share is None else round(share * 100_000)} 100000")
    assert available_cores(tmp_path / "groups", own) == cores


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
        told(folder / "memory.stat", f"anon 3000\n{names[2]} 1000")
    assert free_bytes(tmp_path, own) == 2000
    told(top / "a" / names[1], "9000")
    assert free_bytes(tmp_path, own) == 0


def test_without_a_limit_it_is_what_the_machine_has(tmp_path: Path) -> None:
    own = told(tmp_path / "cgroup", "0::/")
    told(tmp_path / "memory.max", "max")
    for place in (own, tmp_path / "nowhere"):
        assert free_bytes(tmp_path, place) > 2**20
        assert available_cores(tmp_path, place) == EVERYWHERE
