"""A killed run goes on where it was, and ends with the same bytes."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from makers.project import Project


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


pytestmark = pytest.mark.slow


class TestKilledRun:
    """`kill -9`, then `dvc repro`."""

    @pytest.fixture
    def long_study(self, study: Project) -> Project:
        study.compose(
            "budget.min_steps=4000",
            "grid.batch_size=[32]",
            "grid.seeds=1",
            "impl.checkpoint_seconds=0.2",
        )
        study.run("dvc", "repro", "preprocess", "inputs")
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
