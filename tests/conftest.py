"""Shared fixtures: small data sets, and copies of the project to run the real pipeline in."""

import os
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

pytest.register_assert_rewrite("makers")

from makers.cluster import cluster  # noqa: E402
from makers.data import MakeData, dataset  # noqa: E402
from makers.packs import Branching, LowRank, plain_model  # noqa: E402
from makers.project import Project, commit, copy_project, shrink  # noqa: E402
from makers.warm import commands  # noqa: E402
from pipeline.training.device import one_thread  # noqa: E402

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)  # of those that are left
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole pipelines first, for each of two test processes, which begin with one half of the list
    each: at the end they would leave one process alone. The second begins with trainings, while
    the first builds the project that both need."""
    first = [item for item in items if item.path.name in ("test_readme.py", "test_pipeline.py")]
    second = [item for item in items if item.path.match("lanes/test_run.py")]
    second += [item for item in items if "/stages/" in item.nodeid and item not in first]
    others = [item for item in items if item not in first and item not in second]
    middle = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *others[:middle], *second, *others[middle:]]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder for what all test processes share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def warm(shared: Path, worker_id: str) -> Path:
    """The folder of commands that start at once, the same for all test processes."""
    owner = os.getpid() if worker_id == "master" else os.getppid()
    with FileLock(shared / "warm.lock"):
        return commands(shared / "warm", owner)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a Ray cluster of two nodes of one core each."""
    pytest.importorskip("ray", reason="ray is an extra: pip install -e .[ray]")
    with cluster(2) as address:
        yield address


@pytest.fixture
def project(tmp_path: Path, warm: Path) -> Project:
    """A fresh copy of the project."""
    return copy_project(tmp_path, warm)


@pytest.fixture(scope="session")
def built(shared: Path, warm: Path) -> Project:
    """A project whose smoke study has run, one for all test processes; tests must copy it before
    they change it."""
    folder = shared / "built"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_name("built.unfinished")
            project = copy_project(unfinished, warm)
            shrink(project)
            project.compose()
            project.repro()
            commit(project)
            unfinished.rename(folder)
    return Project(folder, warm)


@pytest.fixture
def study(built: Project, tmp_path: Path) -> Project:
    """A private copy of the built smoke study, DVC cache and all."""
    folder = tmp_path / "study"
    shutil.copytree(built.folder, folder, symlinks=True)
    return Project(folder, built.commands)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One intra-op thread, as in the training processes: two would split sums between them."""
    with one_thread():
        yield


@pytest.fixture
def make_data() -> MakeData:
    """A maker of small data sets."""
    return dataset


@pytest.fixture
def own_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's module with a network, one that vmap cannot follow, one that multiplies parameters,
    and one that is none."""
    module = types.ModuleType("own_module")
    module.low_rank = LowRank  # type: ignore[attr-defined]
    module.build, module.branching = plain_model, Branching  # type: ignore[attr-defined]
    module.no_model = lambda shape, outputs: 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_module", module)
