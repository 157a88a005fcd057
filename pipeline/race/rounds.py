"""Train a pack in rounds, up to where its trainings can no longer change its answer."""

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.lanes import trainings
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.plan import Plan
from pipeline.params.load import Params
from pipeline.race import rule
from pipeline.race.bar import Bar, arrivals, fastest_rate
from pipeline.selection import targets
from pipeline.training.dataset import Dataset
from pipeline.training.pack import Pack, Trained

FIRST_SHARE, LATER = 1 / 16, 2.0
"""One looks for the first time after this share of the budget, and then after so many times the
steps: an odd round too far costs less than a look."""
LOOK_CORE_SECONDS = 0.4
"""Half of what a look costs of two cores, by its processes and recorded steps: a first round that
is too long by this costs less than the looks that it saves."""


@dataclass(frozen=True)
class Race:
    """A pack's race to a bar: what each of its rounds needs."""

    params: Params
    bar: Bar
    data: Dataset
    store: Store
    label: str

    def run(self, pack: Pack) -> tuple[Pack, Trained]:
        """Train the pack's cells and the rates that are added to them, each as far as the race
        goes; where no rate reaches the bar, to the end of the budget, or of what it may take."""
        plan = trainings.planned(self.params, pack, self.data)
        trained = self.run_cells(pack, plan)
        if self.end(pack, trained) is None:
            if pack.end < pack.steps:
                return pack, trained
            rest = replace(pack, begun=trained)
            works = (self.params, rest, self.store, self.data, self.label)
            return trainings.train_whole(*works, plan)
        more = functools.partial(self.more, plan)
        return trainings.extended(self.params, pack, trained, self.fastest, more)

    def run_cells(self, pack: Pack, plan: Plan) -> Trained:
        """Train in rounds until the race is over, or the pack's end."""
        evaluations = pack.evaluation_steps
        stop = min(pack.end, first_stop(pack, plan))
        trained = self.round(replace(pack, until=stop), plan)
        while stop < pack.end:
            end = self.end(pack, trained)
            if end is not None and end <= stop:
                break
            stop = min(pack.end, next_stop(stop, evaluations) if end is None else end)
            trained = self.round(replace(pack, until=stop, begun=trained), plan)
        return trained

    def round(self, pack: Pack, plan: Plan) -> Trained:
        """Train up to the pack's stop."""
        label = f"{self.label} to step {pack.end:,}"
        return trainings.train(pack, self.data, self.params, self.store, label, plan)

    def more(self, plan: Plan, added: Pack, pack: Pack, trained: Trained) -> Trained:
        """Train the cells of added rates as far as the race of the others went."""
        end = self.end(pack, trained)
        assert end is not None
        return self.round(replace(added, until=min(pack.end, end)), plan)

    def end(self, pack: Pack, trained: Trained) -> int | None:
        """``end`` of what was trained."""
        lanes, history = trainings.cell_table(pack, trained), trainings.history(pack, trained)
        return end(arrivals(lanes, history, self.bar), pack.evaluation_steps)

    def fastest(
        self, _shares: Collection[float], lanes: pd.DataFrame, history: pd.DataFrame
    ) -> Collection[float | None]:
        """The rate that leads the race."""
        return {fastest_rate(arrivals(lanes, history, self.bar))}


def end(arrived: pd.DataFrame, evaluations: Sequence[int]) -> int | None:
    """The evaluation after which the race is over; None while no rate leads."""
    horizon = targets.horizon(arrived)
    return None if np.isinf(horizon) else rule.end(horizon, evaluations) or evaluations[-1]


def first_stop(pack: Pack, plan: Plan) -> int:
    """Where to look for the first time."""
    per_step = plan.core_seconds_per_step
    worth_a_look = LOOK_CORE_SECONDS / per_step if per_step else 0.0
    first = max(FIRST_SHARE * pack.steps, worth_a_look)
    return next_stop(int(first / LATER), pack.evaluation_steps)


def next_stop(done: int, evaluations: Sequence[int]) -> int:
    """Where to look again while no rate leads: LATER, or at the next evaluation."""
    place = max(bisect_left(evaluations, int(LATER * done)), bisect_right(evaluations, done))
    return evaluations[min(len(evaluations) - 1, place)]


def near(pack: Pack, pilot: Bar, extensions: int) -> Pack:
    """The pack with the rates of its ``rule.bracket`` alone; all where none may be added to them.

    extensions: how often rates may be.
    """
    if extensions == 0:
        return pack
    rates = rule.bracket(sorted({cell.lr for cell in pack.cells}), pilot, pack.batch_size)
    return replace(pack, cells=tuple(cell for cell in pack.cells if cell.lr in rates))
