"""Composing conf/ into params.yaml."""

import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from makers.project import ROOT, Project
from pipeline.errors import InputError
from pipeline.hydra_plugins.batchwise import conf_digest, logspace
from pipeline.params import load
from pipeline.reporting.page.provenance import Provenance
from pipeline.stages import config
from pipeline.workspace import files

GROUPS = sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())


OPTIONS = [
    f"{group}={path.stem}" for group in GROUPS for path in sorted((ROOT / "conf" / group).iterdir())
]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_committed_params_are_the_composed_ones() -> None:
    committed = subprocess.run(
        ["git", "show", "HEAD:params.yaml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    text = committed.stdout if committed.returncode == 0 else (ROOT / "params.yaml").read_text()
    assert OmegaConf.create(text) == OmegaConf.create(config.composed([]))


OF_ONES_OWN = {
    "data=table": ["data.path=README.md", "data.target=y"],
    "data=images": ["data.path=tests"],
    "data=arrays": ["data.path=README.md"],
    "data=text": ["data.path=README.md"],
    "model=transformer": ["data=text", "data.path=README.md"],
    "study=nanogpt": ["data.path=README.md"],
    "study=transformer": ["data.path=README.md"],
    "trainer=command": [
        "trainer.command='{batch_size} {lr} {seed} {steps} {out}'",
        "trainer.train_examples=2000",
    ],
    "trainer=runs": [
        "trainer.path=tests/runs.csv",
        "trainer.columns.batch_size=bs",
        "trainer.columns.lr=learning_rate",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_every_group_composes(option: str) -> None:
    assert config.composed([option, *OF_ONES_OWN.get(option, [])])


def test_a_grid_may_bring_a_budget_and_the_command_line_wins() -> None:
    own = OmegaConf.create(config.composed(["grid=large"]))
    assert own.budget.epochs == 3
    asked = OmegaConf.create(config.composed(["grid=large", "budget.epochs=7"]))
    assert asked.budget.epochs == 7


def test_where_nothing_is_raced_nothing_waits_for_a_pilot() -> None:
    whole = OmegaConf.create(config.composed([])).waves
    assert not list(whole.variant)
    for override in ("grid.race=true", "grid.race=auto", "limits.study_seconds=60"):
        raced = OmegaConf.create(config.composed([override])).waves
        assert list(raced.variant) == ["baseline"]
        assert raced.pilots != whole.pilots


def test_the_networks_of_variants_are_watched_and_sent() -> None:
    """A variant may bring a network of its own beside the base's."""
    brought = "+variants.mine={model: {name: 'benchmarks.harness:build'}}"
    own = load.from_config(
        OmegaConf.create(config.composed([brought, "grid.variant=[baseline,mine]"]))
    )
    assert own.own_networks == [Path("benchmarks/harness.py")]
    assert own.watched.noted == "results/watched"
    unused = load.from_config(OmegaConf.create(config.composed([brought])))
    assert unused.own_networks == []


def test_data_brings_its_grid_and_the_command_line_wins() -> None:
    own = OmegaConf.create(config.composed(["data=wine"]))
    asked = OmegaConf.create(config.composed(["data=wine", "grid=smoke"]))
    assert 512 not in own.grid.batch_size
    assert asked.grid.batch_size == [32, "full"]


BAD = [
    ("grid=nope", "Could not find 'grid/nope' Available options in 'grid': default"),
    ("scaling=robust", "Available options in 'scaling': minmax none standard"),
    ("budget.epoch=3", "Could not override 'budget.epoch'"),
    ("budget.epochs=abc", "Value 'abc'"),
    ("grid.batch_size=[0]", "grid.batch_size: 0"),
    ("grid.lr=[-1]", "grid.lr: -1"),
    ("grid.lr=[]", "grid.lr: [] is empty"),
    ("grid.lr=[0.1", "[0.1"),
    ("+foo=1", "foo: Key 'foo' not in 'Params'"),
    ("budget.epochs=???", "budget.epochs: '???'"),
    ("grid.lr=${logspace:0,1,3}", "logspace: [0, 1] must be above 0"),
    ("seed=${nowhere}", "nowhere"),
]


@pytest.mark.parametrize(("override", "message"), BAD)
def test_a_bad_override_ends_in_one_line_and_writes_nothing(
    tmp_path: Path, warm: Path, override: str, message: str
) -> None:
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    command = [str(warm / "python"), "-m", "pipeline.stages.config", override]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "params.yaml").exists()


def test_elsewhere_than_in_the_root_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["config"])
    with pytest.raises(SystemExit):
        config.main()
    assert "has no conf/config.yaml" in capsys.readouterr().err


def test_the_digest_ignores_comments_and_sees_values(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("x: 1\n")
    first = conf_digest(tmp_path)
    path.write_text("# why\nx:   1  # one\n")
    assert conf_digest(tmp_path) == first
    path.write_text("x: 2\n")
    assert conf_digest(tmp_path) != first


def test_logspace_gives_the_plain_numbers() -> None:
    assert logspace(1e-3, 10, 9) == [0.001, 0.003162, 0.01, 0.03162, 0.1, 0.3162, 1, 3.162, 10]
    with pytest.raises(InputError, match="at least 2 points"):
        logspace(1, 10, 1)


@given(st.floats(1e-6, 1), st.floats(1.5, 1e6), st.integers(2, 40))
def test_logspace_rises_at_one_ratio(first: float, span: float, count: int) -> None:
    points = logspace(first, first * span, count)
    assert len(points) == count
    ratio = span ** (1 / (count - 1))
    for low, high in itertools.pairwise(points):
        assert high / low == pytest.approx(ratio, rel=2e-3)


class TestRefresh:
    """The DAG's first stage, as DVC runs it."""

    def test_a_value_edit_is_recomposed_and_shown(self, project: Project) -> None:
        project.replace("conf/config.yaml", "epochs: 30", "epochs: 7")
        said = project.compose("--refresh")
        assert "-  epochs: 30" in said
        assert "+  epochs: 7" in said
        assert "conf_digest" not in said  # which nobody chose
        assert OmegaConf.create(project.read("params.yaml")).budget.epochs == 7

    def test_an_override_stays_while_conf_does_not_change(self, project: Project) -> None:
        project.compose("budget.epochs=5")
        project.compose("--refresh")
        assert OmegaConf.create(project.read("params.yaml")).budget.epochs == 5

    def test_a_grid_edit_asks_for_another_run(self, project: Project) -> None:
        project.replace("conf/config.yaml", "grid: default", "grid: smoke")
        command = ("python", "-m", "pipeline.stages.config", "--refresh")
        assert "run `dvc repro` again" in project.run(*command, ok=False)
        project.run(*command)

    def test_runs_outside_the_grid_are_removed(self, project: Project) -> None:
        for name in ("baseline-32", "baseline-33"):
            (project.folder / "runs" / name).mkdir(parents=True)
        project.compose("--refresh")
        assert [path.name for path in (project.folder / "runs").iterdir()] == ["baseline-32"]


@pytest.mark.parametrize(
    "study",
    [
        "none",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("large_batch", "batch_norm")),
    ],
)
def test_the_overrides_compose_the_same_again(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = config.composed([f"study={study}", "budget.epochs=7", "data.split.train=0.6"])
    monkeypatch.setattr(files, "PARAMS", tmp_path / "params.yaml")
    files.write_text(files.PARAMS, composed)
    found = config.overrides()
    assert found["budget.epochs"] == [30, 7]
    assert "data.split.train" not in found
    again = shlex.split(Provenance("", found, "", False, {}).command)[3:-3]  # type: ignore[arg-type]
    assert OmegaConf.create(config.composed(again)) == OmegaConf.create(composed)
