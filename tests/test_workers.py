"""Processes: their number changes no bit, their death is told, and a killed run goes on."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from conftest import Project, blobs
from filelock import FileLock
from test_lanes import assert_same_bits, make_pack

from pipeline.data.tensors import Dataset
from pipeline.engine import workers
from pipeline.engine.pack import Trained
from pipeline.engine.plan import Plan
from pipeline.engine.workers import WorkerDiedError
from pipeline.params import Impl, Model

pytestmark = pytest.mark.slow
Result = TypeVar("Result")


def data() -> Dataset:
    parts = (blobs(examples, seed) for examples, seed in ((64, 0), (32, 1), (32, 2)))
    return Dataset("classification", 3, *parts)


def trained_by(count: int) -> Trained:
    pack = make_pack(model=Model("mlp", [8, 5], norm="batch", dropout=0.2))
    heard: list[int] = []
    trained = workers.train(pack, data(), Plan("traced", "", count, 2, 1), heard.append)
    assert sum(heard) == pack.steps * len(pack.cells)
    return trained


def killed() -> str:
    def die(_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        workers.in_processes([die, lambda _: time.sleep(60)], lambda _: None)
    except WorkerDiedError as error:
        return str(error)
    return "nothing"


def failed() -> str:
    def fail(_: object) -> None:
        raise ValueError("three is no crowd")

    try:
        workers.in_processes([fail], lambda _: None)
    except ValueError as error:
        return str(error) + str(error.__notes__)
    return "nothing"


def planned() -> tuple[str, int]:
    plan = workers.planned(make_pack(), data(), Impl(workers=3))
    return plan.engine, plan.workers


def fresh(function: Callable[..., Result], *arguments: object) -> Result:
    """Run in a new process: one that has run autograd can fork no workers."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def test_the_number_of_processes_changes_no_bit() -> None:
    one, two, three = (fresh(trained_by, count) for count in (1, 2, 3))
    assert_same_bits(two, one)
    assert_same_bits(three, one)


def test_death_and_failure_are_told() -> None:
    assert fresh(killed) == "a worker process was killed"
    assert "three is no crowd" in fresh(failed)
    assert "in fail" in fresh(failed)


def test_a_plan_is_made_elsewhere() -> None:
    assert fresh(planned) == ("traced", 3)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


class TestKilledRun:
    """`kill -9`, then `dvc repro`."""

    @pytest.fixture
    def long_study(self, study: Project) -> Project:
        study.compose("budget.min_steps=20000", "grid.batch_size=[32]", "grid.seeds=1")
        study.replace("pipeline/engine/checkpoint.py", "SECONDS = 10.0", "SECONDS = 0.3")
        study.run("dvc", "repro", "preprocess", "config")
        return study

    def start(self, study: Project, *command: str) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(study.folder),
        }
        return subprocess.Popen(
            command, cwd=study.folder, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_for_checkpoint(self, study: Project) -> None:
        for _ in range(600):
            if list((study.folder / "checkpoints").glob("*.safetensors")):
                return
            time.sleep(0.1)
        raise AssertionError("no checkpoint was written")

    def test_it_goes_on_and_ends_with_the_same_bytes(self, long_study: Project) -> None:
        run = self.start(long_study, "dvc", "repro", "-s", "train@baseline-32")
        self.wait_for_checkpoint(long_study)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        assert not (long_study.folder / "runs/baseline-32/lanes.parquet").exists()
        long_study.run("dvc", "repro", "-s", "train@baseline-32")
        resumed = digests(long_study.folder / "runs/baseline-32")
        assert not list((long_study.folder / "checkpoints").glob("*.safetensors"))
        long_study.run("dvc", "repro", "-s", "-f", "--no-run-cache", "train@baseline-32")
        assert digests(long_study.folder / "runs/baseline-32") == resumed

    def test_a_second_copy_is_kept_out(self, study: Project) -> None:
        study.replace("pipeline/stages/trainings.py", "SECONDS = 20", "SECONDS = 0.1")
        (study.folder / "checkpoints").mkdir(exist_ok=True)
        with FileLock(study.folder / "checkpoints/train-baseline-32.lock"):
            said = study.run("python", "-m", "pipeline.stages.train", "baseline", "32", ok=False)
        assert "train baseline 32: another process is training it" in said
        assert "Traceback" not in said
