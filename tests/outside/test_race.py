"""A race among calls changes nothing but their length: what is looked at is that of whole ones."""

import random
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makers import program as maker
from pipeline.outside.called import Called
from pipeline.outside.program import Call, Failure, Program, Told
from pipeline.outside.race import Race, likely_first
from pipeline.params.load import Params
from pipeline.params.protocol import Grid, Target
from pipeline.params.schedule import Budget
from pipeline.params.settings import Cell
from pipeline.params.trainer import Trainer
from pipeline.race.bar import Bar
from pipeline.selection import targets
from pipeline.selection.keys import STOPPED

STEPS = 300
BAR = Bar("val_loss", 0.35, 64, 0.3)


def whole(lr: float, seed: int) -> pd.DataFrame:
    """The curve of a whole call, as it is read; the largest rates diverge."""
    table = pd.DataFrame(maker.curve(16, lr, seed, STEPS)).drop(columns="seconds", errors="ignore")
    return table.assign(val_loss=table["val_loss"].fillna(np.inf))


def calls_of(rates: list[float], seeds: int) -> list[Call]:
    return [Call(Cell("baseline", 16, lr, seed), STEPS) for lr in rates for seed in range(seeds)]


def held(curves: dict[Call, pd.DataFrame], seed: int, at_once: int) -> tuple[Race, int]:
    """A race in which calls tell by turns, and the rows that they told."""
    rng, race = random.Random(seed), Race("val_loss", BAR)
    race.entered += list(curves)
    waiting, running, told = list(curves), dict.fromkeys([], 0), 0
    while waiting or running:
        while waiting and len(running) < at_once:
            running[waiting.pop(0)] = 0
        call = rng.choice(list(running))
        curve = curves[call]
        running[call] = min(len(curve), running[call] + rng.randint(1, 40))
        so_far = curve.iloc[: running[call]]
        if race.is_enough(call, so_far) or len(so_far) == len(curve):
            race.ended(call, Told(so_far, len(so_far) == len(curve)))
            told += running.pop(call)
    return race, told


@settings(max_examples=10)
@given(
    st.lists(st.sampled_from([0.03, 0.1, 0.2, 0.5, 1.0, 2.5]), min_size=1, max_size=4, unique=True),
    st.integers(1, 4),
    st.integers(0, 10_000),
    st.integers(1, 5),
)
def test_whoever_tells_when_the_end_is_that_of_whole_calls(
    rates: list[float], seeds: int, order: int, at_once: int
) -> None:
    curves = {call: whole(call.cell.lr, call.cell.seed) for call in calls_of(rates, seeds)}
    raced, rows = held(curves, order, at_once)
    expected = Race("val_loss", BAR)
    expected.entered += list(curves)
    for call, curve in curves.items():
        expected.ended(call, Told(curve))
    assert raced.horizon == expected.horizon
    for call, curve in curves.items():
        pd.testing.assert_frame_equal(raced.cut(raced.told[call]), expected.cut(curve))
        is_whole = len(raced.told[call]) == len(curve)
        told = Told(raced.told[call], is_whole)
        assert raced.is_cut(call, told) == expected.is_cut(call, Told(curve))
    assert steps_of(raced) == steps_of(expected)
    assert rows <= sum(map(len, curves.values()))


def steps_of(race: Race) -> "dict[float, float]":
    """The median steps of the rates that tell them within the horizon, from what is recorded."""
    race.told = {call: race.cut(curve) for call, curve in race.told.items()}
    medians = targets.median_steps(race.arrivals())
    return {lr: steps for lr, steps in medians.items() if steps <= race.horizon}


def test_rows_without_the_metric_are_no_evaluations() -> None:
    """A training loss is told more often than what the bar is a value of."""
    calls = calls_of([0.3, 0.5], 3)
    curves = {}
    for call in calls:
        table = whole(call.cell.lr, call.cell.seed)
        table["train_loss"] = table["val_loss"]
        table.loc[table.index % 5 != 0, "val_loss"] = np.nan
        curves[call] = table
    raced, _ = held(curves, 0, at_once=1)
    expected = Race("val_loss", BAR)
    expected.entered += calls
    for call, curve in curves.items():
        expected.ended(call, Told(curve))
    assert np.isfinite(raced.horizon)
    assert raced.horizon == expected.horizon
    before = targets.median_steps(expected.arrivals()).min()
    assert min(steps_of(raced).values()) == before
    bounded = Race("val_loss", limit=2.0)
    end = bounded.end(curves[calls[0]])
    assert curves[calls[0]].set_index("step")["val_loss"].notna()[end]


def test_a_call_whose_rival_fails_afterwards_counts_as_stopped() -> None:
    """It was ended for a horizon that is gone."""
    race, calls = Race("val_loss", BAR), calls_of([0.3], 2) + calls_of([0.1], 2)
    race.entered += calls
    race.ended(calls[0], Told(whole(0.3, 0)))
    assert not race.is_enough(calls[2], whole(0.1, 0).iloc[:-3])
    assert race.is_enough(calls[1], whole(0.3, 1))
    rival = Told(whole(0.1, 0).iloc[:-3], is_whole=False)
    race.ended(calls[2], rival)
    race.ended(calls[1], Failure("out of memory", Path("log")))
    race.ended(calls[0], Failure("out of memory", Path("log")))
    assert np.isinf(race.horizon)
    assert race.is_cut(calls[2], rival)


def test_a_race_costs_less() -> None:
    curves = {call: whole(call.cell.lr, call.cell.seed) for call in calls_of([0.2, 0.3, 0.5], 3)}
    _, rows = held(curves, 0, at_once=1)
    assert rows < 0.75 * sum(map(len, curves.values()))


def test_a_call_that_is_lost_is_waited_for_no_longer() -> None:
    """Two of two seeds are there, the third has failed."""
    race, calls = Race("val_loss", BAR), calls_of([0.3], 3)
    race.entered += calls
    for call in calls[:2]:
        race.ended(call, Told(whole(0.3, call.cell.seed)))
    assert np.isfinite(race.horizon)
    one = Race("val_loss", BAR)
    one.entered += calls
    one.ended(calls[0], Told(whole(0.3, 0)))
    assert np.isinf(one.horizon)
    for call in calls[1:]:
        one.ended(call, Failure("out of memory", Path("log")))
    assert np.isfinite(one.horizon)


def test_without_a_bar_calls_end_at_their_limit_alone() -> None:
    curve = whole(0.3, 0)
    assert Race("val_loss").end(curve) is None
    bounded = Race("val_loss", limit=100.0)
    end = bounded.end(curve)
    assert end is not None
    assert 100 <= end < 115
    assert bounded.cut(curve)["step"].iloc[-1] == end


def test_the_middle_rates_are_called_first() -> None:
    calls = calls_of([0.01, 0.1, 1.0], 2)
    assert [call.cell.lr for call in likely_first(calls)] == [0.1, 0.1, 0.01, 0.01, 1.0, 1.0]


def called(at_once: int, fault: str, finished: str = "finished") -> Called:
    """A study of the test's program."""
    words = "--batch-size {batch_size} --lr {lr} --seed {seed} --steps {steps} --out {out}"
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(maker.__file__))} {words}"
    trainer = Trainer(
        "command", f"{command} --fault {fault}", train_examples=1000, retries=0, at_once=at_once
    )
    params = Params(
        trainer=trainer,
        target=Target("val_loss"),
        grid=Grid(batch_size=[16, 64], lr=[0.3, 0.5], seeds=1, extensions=0),
        budget=Budget(1, STEPS, 5),
    )
    return Called(params, Program(trainer, Path(finished)))


def test_a_program_that_writes_as_it_goes_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had told is kept for whoever goes on after a kill."""
    monkeypatch.chdir(tmp_path)
    race = Race("val_loss", BAR)
    found = called(2, "slow").raced("baseline", 16, None, race)
    assert STOPPED in set(found.lanes["status"])
    longest = max(len(curve) for curve in race.told.values())
    assert longest < len(whole(0.3, 0))
    assert list(Path("finished").glob("*.begun.csv"))
    again = called(2, "status").raced(
        "baseline", 16, None, Race("val_loss", BAR)
    )  # fails where it is called
    pd.testing.assert_frame_equal(again.history, found.history)
    pd.testing.assert_frame_equal(again.lanes, found.lanes)
    at_its_end = called(1, "no", "elsewhere").raced("baseline", 16, None, Race("val_loss", BAR))
    pd.testing.assert_frame_equal(at_its_end.lanes, found.lanes)
