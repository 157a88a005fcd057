"""Shared fixtures: small data sets, and copies of the project to run the real pipeline in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from filelock import FileLock

from pipeline.data.tensors import Dataset, Part
from pipeline.engine.workers import one_thread

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


class Project:
    """A copy of the project in a folder of its own, as a fresh clone would be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, ok: bool = True) -> str:
        """Run a command there, with this interpreter first on the path; return what it printed."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),  # DVC's own process imports the Hydra plugin from here
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name in ("DVC_EXP_NAME", "GIT_DIR", "GIT_WORK_TREE"):
            environment.pop(name, None)
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, f"{' '.join(command)} -> {done.returncode}\n{said}"
        return said

    def compose(self, *overrides: str) -> str:
        """Compose params.yaml by hand."""
        return self.run("python", "-m", "pipeline.stages.config", *overrides)

    def repro(self, *arguments: str, ok: bool = True) -> str:
        """Run `dvc repro`."""
        return self.run("dvc", "repro", *arguments, ok=ok)

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self.folder / name).read_text()

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file; the old text must be there."""
        text = self.read(name)
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))


def copy_project(target: Path) -> Project:
    """The files that git knows or would add, in a new repository with one commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(".venv"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    project = Project(target)
    project.run("git", "init", "--quiet")
    commit(project)
    return project


def commit(project: Project) -> None:
    """Commit everything, as nobody in particular."""
    project.run("git", "add", "--all")
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    project.run("git", *identity, "commit", "--quiet", "--message", "State", "--allow-empty")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy of the project."""
    return copy_project(tmp_path)


def shrink(project: Project) -> None:
    """Make the smoke study the default, with a smaller network, budget and timing."""
    project.replace("conf/config.yaml", "grid: default", "grid: smoke")
    project.replace("conf/config.yaml", "epochs: 30", "epochs: 4")
    project.replace("conf/config.yaml", "min_steps: 300", "min_steps: 60")
    project.replace("conf/config.yaml", "examples: 1200", "examples: 128")
    project.replace("conf/model/mlp.yaml", "[128, 64]", "[32, 16]")
    project.replace("pipeline/reporting/drawing.py", "dpi=150", "dpi=50")
    project.replace("pipeline/reporting/axes.py", '"figure.dpi": 150', '"figure.dpi": 50')
    project.replace("pipeline/measure/throughput.py", "BLOCKS = 15", "BLOCKS = 3")
    project.replace("pipeline/measure/throughput.py", "SECONDS = 0.01\n", "SECONDS = 0.001\n")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """A project whose smoke study has run, one for all test processes; tests must copy it before
    they change it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "built"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_name(f"built.unfinished.{worker_id}")
            unfinished.mkdir()
            project = copy_project(unfinished)
            shrink(project)
            project.compose()
            project.repro()
            commit(project)
            unfinished.rename(folder)
    return Project(folder)


@pytest.fixture
def study(built: Project, tmp_path: Path) -> Project:
    """A private copy of the built smoke study, DVC cache and all."""
    folder = tmp_path / "study"
    shutil.copytree(built.folder, folder, symlinks=True)
    return Project(folder)


def blobs(examples: int, seed: int, task: str = "classification", features: int = 6) -> Part:
    """Examples that a small network can learn."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, features, generator=generator)
    direction = torch.linspace(-1, 1, features)
    noise = 0.1 * torch.randn(examples, generator=generator)
    value = x @ direction + noise
    if task == "regression":
        return Part(x, ((value - value.mean()) / value.std())[:, None])
    return Part(x, (value > 0).long() + (value > 1).long())


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One intra-op thread, as in the training processes: two would split sums between them."""
    with one_thread():
        yield


@pytest.fixture
def make_data() -> Callable[..., Dataset]:
    """A maker of small data sets on the CPU."""

    def make(task: str = "classification", examples: int = 64) -> Dataset:
        outputs = 3 if task == "classification" else 1
        parts = (blobs(n, seed, task) for n, seed in ((examples, 0), (32, 1), (32, 2)))
        return Dataset(task, outputs, *parts)

    return make
