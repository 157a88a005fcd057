"""The real stages on a Ray cluster and as jobs: the bytes of one machine."""

import shutil

import pandas as pd
import pytest

from makers.project import Project
from stages.test_outside import COMMAND, called
from stages.test_pipeline import digests

pytestmark = pytest.mark.slow

OUTS = ("runs/baseline-32", "results")
STAGES = {
    "ray": (("train", "baseline", "32"), ("confirm",), ("evaluate",)),
    "slurm": (("train", "baseline", "32"), ("evaluate",)),
}


def on_ray(address: str) -> list[str]:
    return ["impl.executor=ray", f"impl.address='{address}'"]


ON_SLURM = ["impl.executor=slurm", "slurm.cluster=local", "slurm.at_once=2"]


@pytest.mark.parametrize("kind", ["ray", "slurm"])
def test_a_cluster_gives_the_bytes_of_one_machine(
    built: Project, study: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    study.compose(*(on_ray(request.getfixturevalue("ray_address")) if kind == "ray" else ON_SLURM))
    before = digests(study.folder, *OUTS)
    shutil.rmtree(study.folder / "runs/baseline-32")
    (study.folder / "results/test_outcomes.safetensors").unlink()
    for name, *arguments in STAGES[kind]:
        said = study.run("python", "-m", f"pipeline.stages.{name}", *arguments)
        assert "error" not in said
    assert digests(study.folder, *OUTS) == before
    assert not list((study.folder / "checkpoints").glob("*.safetensors"))


def test_a_stage_goes_where_it_is_sent(study: Project) -> None:
    """Else the others here would prove nothing."""
    study.compose(*on_ray("127.0.0.1:1"))
    said = study.run("python", "-m", "pipeline.stages.train", "baseline", "32", ok=False)
    assert "error: impl.address: '127.0.0.1:1' cannot be joined: " in said
    study.compose("impl.executor=slurm", "+slurm.options.nothing=1")
    said = study.run("python", "-m", "pipeline.stages.train", "baseline", "32", ok=False)
    assert "error: slurm: nothing could be submitted: " in said


@pytest.mark.parametrize("kind", ["ray", "slurm"])
def test_calls_of_a_program_go_to_a_cluster(
    study: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    """The program lies in the working folder alone; one of its calls fails."""
    few = ("grid.batch_size=[16,64]", "grid.lr=[0.3,0.5]", "grid.seeds=1", "grid.extensions=0")
    here = (*few, "grid.race=false", "trainer.retries=0")
    command = COMMAND + " --fault large"

    def trained(*where: str) -> tuple[pd.DataFrame, str]:
        called(study, *here, *where, command=command)
        study.run("dvc", "repro", "-s", "preprocess", "watch@program.py", "inputs")
        for size in ("16", "64"):
            said = study.run("python", "-m", "pipeline.outside.stages.train", "baseline", size)
        history = pd.read_parquet(study.folder / "runs/baseline-16/history.parquet")
        return history.drop(columns="seconds", errors="ignore"), said

    alone, said_alone = trained()
    shutil.rmtree(study.folder / "runs")
    cluster = on_ray(request.getfixturevalue("ray_address")) if kind == "ray" else ON_SLURM
    there, said = trained(*cluster)
    pd.testing.assert_frame_equal(there, alone)
    assert said.splitlines()[-1] == said_alone.splitlines()[-1]
    assert "2 of 2 calls fail; the first, baseline-64-0.3-0: ended with status 1: " in said
