"""The real pipeline where another program trains: one that is called, and runs that exist."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from makers import program
from makers.project import Project

pytestmark = pytest.mark.slow

COMMAND = (
    "python program.py --batch-size {batch_size} --lr {lr} --seed {seed} --steps {steps} "
    "--out {out}"
)
GRID = ("grid.batch_size=[4,16,64]", "grid.lr=[0.03,0.3,1.0]", "grid.seeds=2", "grid.extensions=1")


def called(project: Project, *overrides: str, command: str = COMMAND) -> str:
    """Compose a study that calls the test's program."""
    shutil.copy(program.__file__, project.folder / "program.py")
    return project.compose(
        "trainer=command", f"trainer.command='{command}'", "trainer.train_examples=1000",
        "target.metric=val_loss", "budget.min_steps=300", "budget.epochs=1",
        *GRID, *overrides,
    )  # fmt: skip


def headline(project: Project) -> str:
    return str(json.loads(project.read("reports/recommendation.json"))["headline"])


def test_a_program_is_called_for_every_cell(study: Project) -> None:
    """The largest batch size always fails, and costs itself alone."""
    called(study, "grid.batch_size=[4,16,32,64]", command=f"{COMMAND} --fault large")
    said = study.repro()
    assert "Running stage 'watch@program.py'" in said
    assert headline(study).startswith("Use batch size ")
    assert "train baseline 64: 6 of 6 calls fail; the first, baseline-64-0.03-0: ended" in said
    report = study.read("reports/report.md")
    assert "6 calls of the program gave no training; the first: ended with status 1" in report
    assert "| 64 | – |" in report
    assert "Nothing was trained at batch size 64" in report
    assert "Most seeds missed" not in report
    lanes = pd.read_parquet(study.folder / "runs/baseline-16/lanes.parquet")
    assert {"screen", "refine"} <= set(lanes["phase"])
    confirmed = pd.read_parquet(study.folder / "results/confirm_lanes.parquet")
    assert set(confirmed["seed"]) == set(range(1000, 1005))
    expected = {row["step"]: row["val_loss"] for row in program.curve(16, 0.3, 0, 300)}
    history = pd.read_parquet(study.folder / "runs/baseline-16/history.parquet")
    cell = history[(history["lr"] == 0.3) & (history["seed"] == 0)]
    assert dict(zip(cell["step"], cell["val_loss"], strict=True)) == expected
    claims = pd.read_csv(study.folder / "reports/claims.csv").set_index("id")
    assert "trainer=lanes" in claims.loc["sharp-end", "finding"]
    assert claims.loc["constant-product", "verdict"] != "not tested"
    check_caching(study)


def check_caching(study: Project) -> None:
    """Nothing runs again for more calls at once; all does for an edited program."""
    study.replace("params.yaml", "at_once: auto", "at_once: 3")
    assert "Running stage 'train" not in study.repro("train")
    study.replace("program.py", '"""A training program', '"""Some training program')
    said = study.repro("train@baseline-16")
    assert "Running stage 'watch@program.py'" in said
    assert "Running stage 'train@baseline-16'" in said


def test_a_program_that_always_fails_ends_the_study_before_it_trains(study: Project) -> None:
    called(study, command=f"{COMMAND} --fault status")
    said = study.repro(ok=False)
    assert "throughput: baseline 4: 50 steps: ended with status 1: the data are not there" in said
    assert "(.cache/logs/timed-baseline-4-0.03-0.log)" in said
    assert "error: trainer.command: no batch size could be timed" in said
    assert "Traceback" not in said
    assert "Running stage 'train" not in said


def test_a_killed_study_goes_on_with_the_calls_that_it_lacks(study: Project) -> None:
    called(study, "grid.race=false")
    stages = (("stages.watch", "program.py"), ("stages.inputs",), ("outside.stages.preprocess",))
    for stage in stages:
        study.run("python", "-m", f"pipeline.{stage[0]}", *stage[1:])
    environment = os.environ | {"PYTHONPATH": str(study.folder)}
    process = subprocess.Popen(
        ["python", "-m", "pipeline.outside.stages.train", "baseline", "16"],
        cwd=study.folder, env=environment,
    )  # fmt: skip
    finished = wait_for(study.folder)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for path in finished:  # a mark: whoever made the call again would not write it
        path.write_text("step,val_loss\n1,0.125\n300,0.0625\n")
    study.run("python", "-m", "pipeline.outside.stages.train", "baseline", "16")
    history = pd.read_parquet(study.folder / "runs/baseline-16/history.parquet")
    assert (history["val_loss"] == 0.125).sum() == len(finished)
    assert len(pd.read_parquet(study.folder / "runs/baseline-16/lanes.parquet")) >= 6
    assert not list(study.folder.glob("checkpoints/calls-*/*-300.csv"))


def wait_for(folder: Path) -> list[Path]:
    """The tables of the first calls that have ended."""
    for _ in range(600):
        found = sorted(folder.glob("checkpoints/calls-*/baseline-16-*-300.csv"))
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("no call ended")


def test_a_table_of_runs_is_reported(study: Project) -> None:
    parts = [
        pd.DataFrame(program.curve(size, lr, seed, 300)).assign(bs=size, rate=lr, seed=seed)
        for size in (4, 16, 64)
        for lr in (0.01, 0.1, 0.3, 1.0, 3.0)
        for seed in range(3)
    ]
    pd.concat(parts).to_csv(study.folder / "runs.csv", index=False)
    study.compose(
        "trainer=runs", "trainer.path=runs.csv", "trainer.columns.batch_size=bs",
        "trainer.columns.lr=rate", "target.metric=val_loss",
    )  # fmt: skip
    study.repro()
    assert headline(study).startswith("Use batch size ")
    assert "whoever wins was also lucky" in study.read("reports/report.md")
    table = pd.read_csv(study.folder / "runs.csv")
    table["rate"] = "fast"
    table.to_csv(study.folder / "runs.csv", index=False)
    said = study.repro(ok=False)
    assert "error: runs.csv: row 1: lr 'fast' is no finite rate above 0" in said


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (("trainer=command",), "trainer.command: None is nothing: trainer=command needs it"),
        (("trainer=runs", "trainer.path=no.csv"), "error: trainer.path: 'no.csv' is no file"),
        (("trainer.at_once=0",), "trainer.at_once: 0 is neither auto nor a whole number from 1"),
        (("trainer.name=command",), "trainer.command: None is nothing"),
    ],
)
def test_bad_overrides_are_refused(study: Project, overrides: tuple[str, ...], rule: str) -> None:
    before = study.read("params.yaml")
    said = study.run("python", "-m", "pipeline.stages.config", *overrides, ok=False)
    assert rule in said
    assert "Traceback" not in said
    assert study.read("params.yaml") == before


def test_a_program_says_where_its_variant_goes(study: Project) -> None:
    shutil.copy(program.__file__, study.folder / "program.py")
    asked = (
        "python", "-m", "pipeline.stages.config", "trainer=command",
        f"trainer.command='{COMMAND}'", "trainer.train_examples=32",
    )  # fmt: skip
    said = study.run(*asked, "study=optimizers", ok=False)
    assert "needs {variant} in trainer.command" in said
    said = study.run(*asked, "grid.batch_size=[64]", ok=False)
    assert "grid.batch_size: 64 is beyond the 32 of trainer.train_examples" in said


def test_what_only_lanes_can_is_refused(study: Project) -> None:
    asked = ("python", "-m", "pipeline.stages.config")
    shutil.copy(program.__file__, study.folder / "program.py")
    said = study.run(
        *asked, "trainer=command", f"trainer.command='{COMMAND}'", "trainer.train_examples=2000",
        "limits.memory_gb=1", ok=False,
    )  # fmt: skip
    assert "limits.memory_gb: 1.0 is for trainer=lanes" in said
    pd.read_csv(study.folder / "tests/runs.csv").to_csv(study.folder / "runs.csv", index=False)
    of_runs = ("trainer=runs", "trainer.path=runs.csv", "trainer.columns.batch_size=bs")
    for key in ("grid.race=true", "limits.indifference=0.1", "limits.study_seconds=60"):
        said = study.run(*asked, *of_runs, "trainer.columns.lr=learning_rate", key, ok=False)
        assert f"{key.split('=')[0]}: " in said
        assert "is for trainings to come: runs that exist cannot be" in said


def test_a_race_ends_calls_and_a_contest_makes_more(study: Project) -> None:
    """The pilot first, whose run is taken over; more seeds last."""
    told = ("grid.race=true", "limits.indifference=0.01", "target.value=0.01")
    called(study, *told, "grid.batch_size=[32,60,64]")
    said = study.repro()
    assert "pilot baseline: the other batch sizes are raced to a val loss of 0.01" in said
    assert "train baseline 32: was trained before the race" in said
    assert "contest: not told apart: baseline " in said
    lanes = pd.read_parquet(study.folder / "runs/baseline-64/lanes.parquet")
    assert "stopped" in set(lanes["status"])
    more = pd.read_parquet(study.folder / "results/contest_lanes.parquet")
    assert more["seed"].min() == 1005
    assert set(more["phase"]) == {"contest"}
    report = study.read("reports/report.md")
    assert "screened trainings were stopped once another rate of their batch size" in report
