"""A program's steps are timed by short calls of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.outside import clock
from pipeline.outside.curve import CurveError
from pipeline.outside.program import Call, Clocked, Program
from pipeline.outside.room import Used
from pipeline.outside.trainings import Timed
from pipeline.params.settings import Cell
from pipeline.params.trainer import Trainer

COMMAND = "train {batch_size} {lr} {seed} {steps} {out}"
TABLE = pd.DataFrame({"step": [1], "val_loss": [0.5]})


def clocked(call: Call, wall: float, seconds: float, steps: int = 0, used: float = 0.0) -> Clocked:
    """A call that told of its own steps, or of so many."""
    return Clocked(call.steps, wall, seconds, steps or call.steps, TABLE, Used(used, 1000))


def timed(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[Call], Clocked], *sizes: int
) -> dict[tuple[str, int], list[Timed]]:
    """What is said of trainings of 10,000 steps at these batch sizes."""
    made = Program(Trainer("command", COMMAND, train_examples=1000), Path("finished"))
    monkeypatch.setattr(made, "timed", told)
    calls = [Call(Cell("baseline", size, 0.1, 0), 10_000) for size in sizes]
    return clock.timed(made, calls, "val_loss")


def test_a_step_is_timed_by_the_program_s_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the steps that its last rows tell of, not by those that were asked for."""
    rows = {50: (40, 2.4), 150: (120, 3.2)}

    def told(call: Call) -> Clocked:
        step, seconds = rows[call.steps]
        return clocked(call, 9.0, seconds, step)

    found = timed(monkeypatch, told, 16)["baseline", 16]
    assert [each.step for each in found] == pytest.approx([0.01] * 3)
    assert [each.call for each in found] == pytest.approx([9.0 - 50 * 0.01] * 3)


def test_what_drowns_in_the_start_is_timed_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def told(call: Call) -> Clocked:
        asked.append(call.steps)
        seconds = 3.0 + 1e-3 * call.steps
        return clocked(call, seconds, seconds)

    found = timed(monkeypatch, told, 16)["baseline", 16]
    assert [each.step for each in found] == pytest.approx([1e-3] * 3)
    assert [each.call for each in found] == pytest.approx([3.0] * 3)
    assert asked[:2] == [50, 150]
    assert asked[-2:] == [800, 2400]


def test_a_batch_size_that_cannot_be_timed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(call: Call) -> Clocked:
        if call.cell.batch_size == 64:
            raise CurveError("out of memory")
        return clocked(call, 1.0, 1e-3 * call.steps)

    assert list(timed(monkeypatch, told, 16, 64)) == [("baseline", 16)]
    assert "throughput: baseline 64: out of memory" in capsys.readouterr().err


def test_cores_are_those_of_a_whole_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of a short call, most of which is the start of the program on one core."""

    def told(call: Call) -> Clocked:  # 3 s of start on one core, then 1 ms a step on four
        seconds = 3.0 + 1e-3 * call.steps
        return clocked(call, seconds, seconds, used=3.0 + 4e-3 * call.steps)

    found = timed(monkeypatch, told, 16)["baseline", 16]
    assert [each.cores for each in found] == pytest.approx([(3.0 + 40.0) / 13.0] * 3)
    assert [each.peak_bytes for each in found] == [1000] * 3


def test_a_program_that_tells_its_seconds_along_is_called_once_from_the_second_time_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first steps are slow, and count in neither way."""
    asked = []

    def told(call: Call) -> Clocked:
        asked.append(call.steps)
        rows = pd.DataFrame({"step": range(1, call.steps + 1), "val_loss": 0.5})
        rows["seconds"] = 2.0 + 0.01 * rows["step"]
        seconds = float(rows["seconds"].iloc[-1])
        return replace(clocked(call, 9.0, seconds, used=9.0), table=rows)

    found = timed(monkeypatch, told, 16)["baseline", 16]
    assert asked == [50, 150, 150, 150]
    assert [each.step for each in found] == pytest.approx([0.01] * 3)
    assert [each.call for each in found] == pytest.approx([8.5, 7.5, 7.5])
    assert [each.cores for each in found] == pytest.approx([1.0] * 3)


def test_a_few_steps_beside_an_evaluation_are_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows at the end of an epoch and of the call tell of one step and of an evaluation."""

    def told(call: Call) -> Clocked:
        rows = pd.DataFrame({"step": [call.steps - 1, call.steps], "val_loss": 0.5})
        rows["seconds"] = [0.01 * call.steps, 0.01 * call.steps + 1.0]
        return replace(clocked(call, 9.0, float(rows["seconds"].iloc[-1])), table=rows)

    found = timed(monkeypatch, told, 16)["baseline", 16]
    assert [each.step for each in found] == pytest.approx([0.01] * 3)


def test_steps_that_take_no_time_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"trainer\.command: no batch size could be timed"):
        timed(monkeypatch, lambda call: clocked(call, 1.0, 1.0), 16)
    assert "let the program write `seconds`" in capsys.readouterr().err
