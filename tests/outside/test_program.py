"""A program is called once for each cell, and what fails is told and lost to nobody."""

import shlex
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from makers import program as maker
from pipeline.errors import InputError
from pipeline.outside import program
from pipeline.outside.program import Call, Failure, Program, Told
from pipeline.params.settings import Cell
from pipeline.params.trainer import Trainer

SCRIPT = Path(maker.__file__)
ARGUMENTS = "--batch-size {batch_size} --lr {lr} --seed {seed} --steps {steps} --out {out}"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def of(fault: str = "", **settings: object) -> Program:
    """The program, with a fault."""
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(SCRIPT))} {ARGUMENTS}"
    command += f" --fault {fault}" if fault else ""
    chosen = {"retries": 0} | settings
    return Program(
        Trainer("command", command, train_examples=1000, **chosen),  # type: ignore[arg-type]
        Path("finished"),
    )


def call(seed: int = 0, steps: int = 300) -> Call:
    return Call(Cell("baseline", 16, 0.1, seed), steps)


def trained(made: Program, calls: list[Call]) -> list[pd.DataFrame | Failure]:
    told = program.side_by_side(made, calls, made.train)
    return [one.curve if isinstance(one, Told) else one for one in told]


def test_a_call_gives_the_curve_that_the_program_wrote() -> None:
    (table,) = trained(of(), [call()])
    assert isinstance(table, pd.DataFrame)
    told = maker.curve(16, 0.1, 0, 300)
    assert table["step"].tolist() == [row["step"] for row in told]
    assert table["val_loss"].tolist() == [row["val_loss"] for row in told]


def test_lines_of_json_are_the_same() -> None:
    (table,), (other,) = trained(of(), [call()]), trained(of("json"), [call(steps=299)])
    assert isinstance(table, pd.DataFrame)
    assert isinstance(other, pd.DataFrame)
    assert set(table) == set(other)


def test_results_come_in_the_order_of_the_calls_however_many_run_at_once() -> None:
    calls = [call(seed) for seed in range(5)]
    one = trained(of(), calls)
    Path("finished").rename("before")
    many = trained(of(at_once=3), calls)
    for left, right in zip(one, many, strict=True):
        assert isinstance(left, pd.DataFrame)
        assert isinstance(right, pd.DataFrame)
        assert left["val_loss"].equals(right["val_loss"])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nothing", "wrote no table to {out}"),
        ("status", "ended with status 1: the data are not there"),
        ("short", "ends at step "),
        ("backwards", "row 4: step 1 is not after step "),
        ("columns", "has no column step, only iteration, loss"),
        ("half", "row "),
    ],
)
def test_a_call_that_fails_says_why(fault: str, reason: str) -> None:
    (failure,) = trained(of(fault), [call()])
    assert isinstance(failure, Failure)
    assert failure.reason.startswith(reason)
    assert failure.log.is_file()
    assert not list(Path("finished").glob("*-300.csv"))


def test_a_program_that_hangs_is_ended() -> None:
    start = time.monotonic()
    (failure,) = trained(of("hangs", timeout_seconds=0.5), [call()])
    assert isinstance(failure, Failure)
    assert failure.reason == "took longer than 0.5 s (trainer.timeout_seconds)"
    assert time.monotonic() - start < 60


def test_a_flake_is_tried_again() -> None:
    (table,) = trained(of("once", retries=1), [call()])
    assert isinstance(table, pd.DataFrame)


def test_a_training_that_diverges_is_a_result() -> None:
    (table,) = trained(of(), [Call(Cell("baseline", 16, 10.0, 0), 300)])
    assert isinstance(table, pd.DataFrame)
    assert program.curve.diverged_step(table) == table["step"].iloc[-1]


def test_a_finished_call_is_not_made_again() -> None:
    (before,) = trained(of(), [call()])
    (after,) = trained(of("status"), [call()])  # would fail if it were
    assert isinstance(before, pd.DataFrame)
    assert before.equals(after)


def test_a_program_that_is_not_there_is_refused_at_once() -> None:
    made = Program(Trainer("command", f"nobody {ARGUMENTS}", train_examples=9), Path("finished"))
    with pytest.raises(InputError, match=r"trainer.command: 'nobody' cannot be started: No such"):
        trained(made, [call()])


def test_calls_end_with_whoever_made_them() -> None:
    made = of("hangs")
    timer = threading.Timer(1.0, made.end)
    timer.start()
    (failure,) = trained(made, [call()])
    assert isinstance(failure, Failure)
    assert not made.running


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("python train.py --lr {lr} --seed {seed} --steps {steps} --out {out}", r"{batch_size}"),
        (f"python train.py {ARGUMENTS} --epochs {{epochs}}", r"'{epochs}' is none of"),
        (f"python train.py {ARGUMENTS} {{", "a brace of the program's own is doubled"),
    ],
)
def test_a_command_that_cannot_be_filled_in_is_refused(command: str, rule: str) -> None:
    with pytest.raises(InputError, match=r"trainer\.command: ") as refused:
        Trainer("command", command, train_examples=9)
    assert rule in str(refused.value)


def test_finished_calls_are_forgotten_once_all_is_written() -> None:
    made = of()
    trained(made, [call()])
    assert list(Path("finished").glob("*-300.csv"))
    made.clear()
    assert not list(Path("finished").glob("*-300.csv"))


def test_they_are_kept_while_another_call_fails() -> None:
    trained(of(), [call()])
    made = of("status")
    found = trained(made, [call(), call(seed=1)])
    assert [isinstance(one, Failure) for one in found] == [False, True]
    made.clear()
    assert list(Path("finished").glob("baseline-16-0.1-0-300.csv"))


def test_nothing_that_a_call_started_is_left() -> None:
    with pytest.raises(program.CurveError, match="ended with status 3"):
        of().run(["sh", "-c", "sleep 43.21 & exit 3"], Path("out.csv"), Path("log"))
    left = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    assert not any("43.21" in words for words in left)
