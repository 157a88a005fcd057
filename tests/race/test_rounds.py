"""A race changes nothing but the cost: what is recorded and chosen is that of whole trainings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makers.data import dataset
from makers.packs import make_job
from pipeline.lanes import trainings, workers
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.pieces import train_pieces
from pipeline.lanes.plan import Plan
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import Grid
from pipeline.params.schedule import Budget
from pipeline.params.settings import Cell, Settings
from pipeline.race import rounds, rule
from pipeline.race.bar import Bar, arrivals
from pipeline.race.rounds import Race
from pipeline.selection import targets
from pipeline.selection.keys import STOPPED
from pipeline.selection.response import response
from pipeline.training.dataset import Dataset
from pipeline.training.pack import Pack, Trained

DATA = dataset(examples=256)
BUDGET = Budget(6, 60, 25)
SOME_RATES = np.geomspace(1e-3, 100, 16).tolist()
PLAN = Plan("traced", "", 1, 2, 1)
HARD, EASY = 0.72, 0.45
"""Losses to race to; at either some rates arrive and others do not."""


def pack_of(rates: tuple[float, ...], size: int = 8, seeds: int = 3) -> Pack:
    """A pack that learns something in its budget."""
    cells = tuple(Cell("baseline", size, lr, seed) for lr in rates for seed in range(seeds))
    return Pack(Settings(model=Model("mlp", [8]), budget=BUDGET), size, len(DATA.train), cells)


def in_one_process(
    pack: Pack, data: Dataset, params: Params, store: Store, label: str, plan: Plan = PLAN
) -> Trained:
    """``trainings.train`` without a fork."""
    return train_pieces(pack, make_job(data, plan.engine))


def raced(
    pack: Pack, bar: Bar, extensions: int = 0, engine: str = "traced"
) -> tuple[Pack, Trained]:
    """The pack raced to a bar."""
    params = Params(grid=Grid(seeds=3, extensions=extensions))
    race = Race(params, bar, DATA, Store(Path("nowhere"), ""), "train")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "train", in_one_process)
        patch.setattr(workers, "planned", lambda *_: replace(PLAN, engine=engine))
        return race.run(pack)


def answer(pack: Pack, trained: Trained, bar: Bar) -> tuple[pd.DataFrame, "pd.Series[float]"]:
    """The history, and the response to the rates that the race is judged by."""
    lanes, history = trainings.cell_table(pack, trained), trainings.history(pack, trained)
    return history, response(arrivals(lanes, history, bar))


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(SOME_RATES), min_size=2, max_size=6, unique=True),
    st.floats(0.25, 0.9),
    st.sampled_from([4, 8, 32]),
    st.sampled_from(["traced", "loop"]),
)
def test_the_winner_and_its_bytes_are_those_of_whole_trainings(
    rates: list[float], value: float, size: int, engine: str
) -> None:
    pack, bar = pack_of(tuple(sorted(rates)), size), Bar("val_loss", value, 32, 0.1)
    _, stopped = raced(pack, bar, engine=engine)
    whole = train_pieces(pack, make_job(DATA, engine))
    history, found = answer(pack, stopped, bar)
    full_history, expected = answer(pack, whole, bar)
    pd.testing.assert_series_equal(found, expected)
    keys = ["lr", "seed", "step"]
    both = history.merge(full_history, on=keys, suffixes=("", "_whole"))
    assert len(both) == len(history)
    for name in ("val_loss", "train_loss", "weight_norm"):
        assert both[name].equals(both[f"{name}_whole"].rename(name))
    lanes = trainings.cell_table(pack, stopped)
    assert (lanes["status"] == STOPPED).any() <= np.isfinite(expected.min())


class TestCost:
    def test_trainings_stop_soon_after_the_first_rate_arrives(self) -> None:
        pack, bar = pack_of((0.01, 0.3, 1.0)), Bar("val_loss", HARD, 32, 0.1)
        _, trained = raced(pack, bar)
        lanes = trainings.cell_table(pack, trained)
        assert set(lanes["status"]) == {"stopped"}
        history = trainings.history(pack, trained)
        horizon = targets.horizon(arrivals(lanes, history, bar))
        assert horizon * targets.WINDOW <= lanes["steps"].max() < 2.2 * horizon * targets.WINDOW

    def test_where_nothing_arrives_trainings_are_whole(self) -> None:
        pack, bar = pack_of((0.001, 0.002)), Bar("val_loss", 0.01, 32, 0.1)
        found, trained = raced(pack, bar, extensions=1)
        assert len(found.cells) > len(pack.cells)
        assert set(trainings.cell_table(found, trained)["status"]) == {"finished"}

    def test_added_rates_go_as_far_as_the_race_went(self) -> None:
        pack, bar = pack_of((0.01, 0.03)), Bar("val_loss", HARD, 32, 0.1)
        found, trained = raced(pack, bar, extensions=2)
        lanes = trainings.cell_table(found, trained)
        assert set(lanes["phase"]) == {"screen", "extend", "refine"}
        assert lanes["lr"].max() > 0.03
        last = lanes.groupby("phase")["steps"].max()
        assert last["refine"] < last["screen"] <= pack.steps


def test_a_wrong_guess_of_the_rates_is_repaired() -> None:
    """Rates are added while the best lies at an end."""
    bar = Bar("val_loss", EASY, 32, 0.1)
    far = pack_of((0.003, 0.01))
    found, trained = raced(far, bar, extensions=4)
    _, steps = answer(found, trained, bar)
    near, whole = raced(pack_of((0.1, 0.316, 1.0, 3.16)), bar, extensions=4)
    _, expected = answer(near, whole, bar)
    assert np.log(steps.idxmin() / expected.idxmin()) == pytest.approx(0, abs=np.log(2))


class TestRounds:
    EVALUATIONS = sorted({round(1.16**k) for k in range(50)})

    def test_no_look_goes_far_beyond_a_race_that_is_decided_after_the_last(self) -> None:
        for done in (5, 20, 100, 400):
            stop = rounds.next_stop(done, self.EVALUATIONS)
            assert done < stop
            reached = np.full(3, done / targets.WINDOW + 1)
            cells = pd.DataFrame({"lr": 0.1, "reached": reached, "lost_at": np.inf})
            end = rounds.end(cells, self.EVALUATIONS)
            assert end is not None
            assert end >= 0.7 * stop

    def test_no_first_round_is_shorter_than_a_look_is_worth(self) -> None:
        """Where a step is quick the first look waits; where it is not, a share of the budget."""
        pack = pack_of((0.1, 1.0))
        stops = [
            rounds.first_stop(pack, replace(PLAN, core_seconds_per_step=seconds))
            for seconds in (0.0, 1.0, rounds.LOOK_CORE_SECONDS / 50, 1e-9)
        ]
        assert stops[0] == stops[1] == min(
            step for step in pack.evaluation_steps if step >= rounds.FIRST_SHARE * pack.steps
        )  # fmt: skip
        assert 50 <= stops[2] < 60
        assert stops[3] == pack.steps

    def test_the_last_stop_is_the_budget(self) -> None:
        last = self.EVALUATIONS[-1]
        assert rounds.next_stop(last - 1, self.EVALUATIONS) == last
        cells = pd.DataFrame({"lr": 0.1, "reached": [last - 1.0], "lost_at": np.inf})
        assert rounds.end(cells, self.EVALUATIONS) == last


class TestBracket:
    RATES = np.geomspace(1e-3, 10, 9).tolist()

    @pytest.mark.parametrize("size", [1, 4, 32, 64, 128, 1000])
    def test_it_holds_the_pilots_rate_and_what_the_rule_makes_of_it(self, size: int) -> None:
        pilot = Bar("val_score", 0.9, 64, 0.4)
        found = rule.bracket(self.RATES, pilot, size)
        assert len(found) >= rule.FEWEST_RATES
        scaled = 0.4 * np.sqrt(size / 64)
        for rate in (0.4, scaled):
            if self.RATES[0] < rate < self.RATES[-1]:
                assert found[0] <= rate <= found[-1]
        assert found == sorted(found)

    def test_few_rates_are_all_taken(self) -> None:
        assert rule.bracket([0.1], Bar("val_score", 0.9, 64, 40.0), 4) == [0.1]


def test_parts_of_a_stopped_pack_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over processes and from checkpoints, the way stages do it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rounds, "LOOK_CORE_SECONDS", 0.0)
    pack, bar = pack_of((0.1, 1.0)), Bar("val_loss", HARD, 32, 0.1)
    params = Params(grid=Grid(seeds=3, extensions=0))
    race = Race(params, bar, DATA, Store(tmp_path / "kept", "train"), "train")
    first = race.run(pack)[1]
    again = race.run(pack)[1]
    for other in (again, raced(pack, bar)[1]):
        for name, curve in first.curves.items():
            assert np.array_equal(curve, other.curves[name], equal_nan=True)
    assert replace(pack, begun=first.part(range(6))).first_step == first.until[0]
