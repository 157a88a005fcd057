"""Tasks on a Ray cluster of this machine: what they give, keep and tell, whatever dies."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from makers.processes import fresh
from makers.tasks import Doubled, Endless, Killed, failed, refused
from pipeline.errors import InputError
from pipeline.executors import on_ray
from pipeline.executors.executor import EnoughError, Work
from pipeline.executors.mailbox import Mailbox
from pipeline.executors.on_ray import OnRay
from pipeline.executors.ray_cluster import room
from pipeline.params.protocol import Resources

pytest.importorskip("ray", reason="ray is an extra: pip install -e .[ray]")


class TestRoom:
    @pytest.mark.parametrize(
        ("has", "needs", "count"),
        [
            ({"CPU": 16.0}, Resources(), 16),
            ({"CPU": 3.0}, Resources(cpus=2), 1),
            ({"CPU": 1.0}, Resources(cpus=0.25), 4),
            ({"CPU": 16.0, "GPU": 4.0}, Resources(gpus=1), 4),
            ({"CPU": 2.0, "GPU": 4.0}, Resources(gpus=1), 2),
            ({"CPU": 16.0}, Resources(gpus=1), 0),
            ({}, Resources(), 0),
        ],
    )
    def test_it_is_what_a_node_has_of_all_that_a_task_needs(
        self, has: dict[str, float], needs: Resources, count: int
    ) -> None:
        assert room(has, needs) == count


class TestMailbox:
    def test_what_is_taken_is_gone_and_what_is_kept_stays(self) -> None:
        box = Mailbox()
        box.know("a", "old", b"0")
        box.keep("a", "new", b"1")
        box.keep("b", "new", b"2")
        box.tell(("a", 0), 3)
        box.tell(("a", 0), 5)
        assert box.take("a") == ({0: 5}, {"new": b"1"})
        assert box.take("a") == ({}, {})
        assert (box.find("a", "old"), box.find("a", "new"), box.find("b", "old")) == (
            b"0", b"1", None,
        )  # fmt: skip
        box.forget("a")
        assert (box.find("a", "new"), box.find("b", "new")) == (None, b"2")


def on(address: str, folder: Path, what: Callable[[OnRay], Any]) -> Any:
    """What is made of a cluster, in a folder."""
    os.chdir(folder)
    return what(OnRay(address, Resources()))


def doubled(executor: OnRay) -> tuple[int, list[int], int]:
    paths = [Path(f"number-{number}") for number in range(8)]
    for number, path in enumerate(paths):
        path.write_text(str(number))
    heard: list[int] = []
    work = Work("double", [Doubled(path, 3) for path in paths], paths)
    return executor.slots(), executor.run(work, heard.append), sum(heard)


def kept_through_deaths(executor: OnRay) -> tuple[list[int], str]:
    Path("kept").mkdir()
    Path("kept/count").write_text("1")  # by an earlier stage that was killed
    given = executor.run(Work("kill", [Killed(3)], [], ["kept/*"]), lambda _: None)
    return [died for died, _ in given], Path("kept/count").read_text()


def raised(executor: OnRay) -> list[str]:
    on_ray.RETRIES, said = 1, []
    for task in (refused, failed, Killed(99)):
        try:
            executor.run(Work("raise", [task], []), lambda _: None)
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


def ended(executor: OnRay) -> tuple[bool, bool]:
    started = Path("kept/started")
    work = Work("endless", [Endless()], [], ["kept/*"], started.is_file)
    try:
        executor.run(work, lambda _: None)
    except EnoughError:
        process = Path(f"/proc/{started.read_text()}/cmdline")
        for _ in range(100):
            if not process.exists() or b"endless" not in process.read_bytes():
                return True, True
            time.sleep(0.1)
        return True, False
    return False, False


def another_version(executor: OnRay) -> str:
    real = on_ray.versions
    on_ray.versions = lambda: {**real(), "torch": "1.0"}  # type: ignore[assignment]
    try:
        executor.run(Work("old", [refused], []), lambda _: None)
    except InputError as error:
        return str(error)
    return "nothing"


def too_much(executor: OnRay) -> str:
    try:
        OnRay(executor.address, Resources(cpus=2)).slots()
    except InputError as error:
        return str(error)
    return "nothing"


def lost(executor: OnRay) -> str:
    try:
        executor.slots()
    except InputError as error:
        return str(error)
    return "nothing"


@pytest.mark.slow
class TestCluster:
    def test_results_come_in_order_and_work_is_told(self, ray_address: str, tmp_path: Path) -> None:
        assert fresh(on, ray_address, tmp_path, doubled) == (2, [2 * n for n in range(8)], 24)

    def test_a_task_whose_process_dies_goes_on_from_what_it_kept(
        self, ray_address: str, tmp_path: Path
    ) -> None:
        assert fresh(on, ray_address, tmp_path, kept_through_deaths) == ([3], "3")

    def test_what_a_task_raises_is_raised(self, ray_address: str, tmp_path: Path) -> None:
        first, second, third = fresh(on, ray_address, tmp_path, raised)
        assert first == "InputError: key: 3 is wrong"
        assert second == "ZeroDivisionError: here"
        assert third.startswith("InputError: raise: ")
        assert third.endswith("; run again to go on")

    def test_work_ends_where_it_is_enough(self, ray_address: str, tmp_path: Path) -> None:
        assert fresh(on, ray_address, tmp_path, ended) == (True, True)

    def test_a_node_of_another_version_is_refused(self, ray_address: str, tmp_path: Path) -> None:
        said = fresh(on, ray_address, tmp_path, another_version)
        assert said.startswith("impl.executor: node ")
        assert "torch is 2" in said
        assert "there and 1.0 here; set it up from the same commit" in said

    def test_what_no_node_has_is_refused(self, ray_address: str, tmp_path: Path) -> None:
        assert fresh(on, ray_address, tmp_path, too_much) == (
            "impl.resources: none of 3 nodes has 2 CPUs and 0 GPUs"
        )

    def test_no_cluster_is_told(self, tmp_path: Path) -> None:
        said = fresh(on, "127.0.0.1:1", tmp_path, lost)
        assert said.startswith("impl.address: '127.0.0.1:1' cannot be joined: ")
