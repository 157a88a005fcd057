"""Tasks as jobs: what they give, keep and tell, with submitit's processes and with a real queue."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from makers import slurm
from makers.processes import fresh
from makers.tasks import Doubled, Endless, Killed, failed, refused
from pipeline.errors import InputError
from pipeline.executors import on_slurm
from pipeline.executors.executor import EnoughError, Work
from pipeline.executors.on_slurm import OnSlurm, Requeued, states_of
from pipeline.executors.versions import versions
from pipeline.params.protocol import Resources, Slurm

pytest.importorskip("submitit", reason="submitit is an extra: pip install -e .[slurm]")


def on(cluster: str, folder: Path, what: Callable[[OnSlurm], Any]) -> Any:
    """What is made of a queue, in a folder."""
    os.chdir(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # jobs find what this process does
    on_slurm.LOOK_SECONDS, on_slurm.ASK_SECONDS, on_slurm.LATE_SECONDS = 0.2, 1.0, 2.0
    return what(OnSlurm(Slurm(at_once=2, cluster=cluster), Resources()))


def doubled(executor: OnSlurm) -> tuple[int, list[int], int]:
    on_slurm.TELL_SECONDS = 0.0
    paths = [Path(f"number-{number}") for number in range(3)]
    for number, path in enumerate(paths):
        path.write_text(str(number))
    heard: list[int] = []
    work = Work("double", [Doubled(path, 3) for path in paths], paths)
    return executor.slots(), executor.run(work, heard.append), sum(heard)


def raised(executor: OnSlurm) -> list[str]:
    said = []
    for task in (refused, failed, Killed(99)):
        try:
            executor.run(Work("raise", [task], []), lambda _: None)
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


def ended(executor: OnSlurm) -> bool:
    started = Path("kept/started")
    try:
        executor.run(Work("end", [Endless()], [], ["kept/*"], started.is_file), lambda _: None)
    except EnoughError:
        return True
    return False


def another_version(executor: OnSlurm) -> str:
    real = on_slurm.versions
    on_slurm.versions = lambda: {**real(), "torch": "1.0"}  # type: ignore[assignment]
    try:
        executor.run(Work("old", [refused], []), lambda _: None)
    except InputError as error:
        return str(error)
    return "nothing"


def no_queue(executor: OnSlurm) -> str:
    try:
        OnSlurm(Slurm(), Resources()).run(Work("none", [refused], []), lambda _: None)
    except InputError as error:
        return str(error)
    return "nothing"


@pytest.mark.slow
class TestProcesses:
    """``slurm.cluster=local``: the same jobs as processes of this machine."""

    def test_results_come_in_order_and_work_is_told(self, tmp_path: Path) -> None:
        assert fresh(on, "local", tmp_path, doubled) == (2, [0, 2, 4], 9)

    def test_what_a_task_raises_is_raised(self, tmp_path: Path) -> None:
        first, second, third = fresh(on, "local", tmp_path, raised)
        assert first == "InputError: key: 3 is wrong"
        assert second == "ZeroDivisionError: here"
        assert third.startswith("InputError: raise: job ")
        assert " gave nothing (" in third

    def test_work_ends_where_it_is_enough(self, tmp_path: Path) -> None:
        assert fresh(on, "local", tmp_path, ended)
        process = Path(f"/proc/{(tmp_path / 'kept/started').read_text()}")
        for _ in range(100):
            if not process.exists():
                return
            time.sleep(0.1)
        raise AssertionError("the job goes on")

    def test_a_node_of_another_version_is_refused(self, tmp_path: Path) -> None:
        said = fresh(on, "local", tmp_path, another_version)
        assert said.startswith("impl.executor: node ")
        assert "there and 1.0 here; set it up from the same commit" in said

    def test_no_queue_is_told(self, tmp_path: Path) -> None:
        said = fresh(on, "local", tmp_path, no_queue)
        assert said.startswith("slurm: nothing could be submitted: ")


def on_queue(conf: Path, folder: Path, what: Callable[[OnSlurm], Any]) -> Any:
    """What is made of a real queue, in a folder."""
    os.environ["SLURM_CONF"] = str(conf)
    return on("slurm", folder, what)


def after_a_killed_stage(executor: OnSlurm) -> tuple[list[int], str]:
    """What a stage gives whose predecessor left a job in the queue."""
    left = Path(".cache/slurm/double/before")
    left.mkdir(parents=True)
    (job,) = executor.submitted([Requeued(Endless(), versions(), left / "0.done")], left)
    _, given, _ = doubled(executor)
    return given, states_of(job.job_id.split("_")[0])[job.job_id]


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with slurm.queue(tmp_path_factory.mktemp("slurm")) as made:
        yield made.conf


@pytest.mark.slow
@pytest.mark.skipif(slurm.missing() is not None, reason="Slurm is not installed")
class TestQueue:
    def test_results_come_in_order_and_work_is_told(self, conf: Path, tmp_path: Path) -> None:
        assert fresh(on_queue, conf, tmp_path, doubled) == (2, [0, 2, 4], 9)

    def test_a_job_that_is_killed_is_told_of(self, conf: Path, tmp_path: Path) -> None:
        first, _, third = fresh(on_queue, conf, tmp_path, raised)
        assert first == "InputError: key: 3 is wrong"
        assert third.startswith("InputError: raise: job ")

    def test_jobs_of_a_killed_stage_are_ended(self, conf: Path, tmp_path: Path) -> None:
        given, state = fresh(on_queue, conf, tmp_path, after_a_killed_stage)
        assert given == [0, 2, 4]
        assert state in ("CANCELLED", "COMPLETING")

    def test_work_ends_where_it_is_enough(self, conf: Path, tmp_path: Path) -> None:
        assert fresh(on_queue, conf, tmp_path, ended)
