"""The calls of one pack, each ended once what else it would tell cannot change the answer."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import pandas as pd

from pipeline.outside.program import Call, Failure, Told
from pipeline.outside.trainings import named, tables
from pipeline.race import bar as bars
from pipeline.race import rule
from pipeline.race.bar import Bar
from pipeline.selection import targets
from pipeline.selection.keys import CELL
from pipeline.selection.targets import REACH, WINDOW


@dataclass
class Race:
    """Calls on their way to a bar, None for none, each of at most ``limit`` steps.

    Once one rate has more than half of its seeds at the bar, all calls end beyond the horizon that
    this sets (``rule.end``). What is known of the calls, whoever is ahead, only brings that nearer:
    a call that has not told yet counts as one that never arrives. So what is recorded up to the
    last horizon does not hang on who was looked at when, unless a call fails that had set one.

    metric: what the bar is a value of; rows without it are no evaluations. entered: all calls;
    told: what is known of each up to the limit; whole: those that told all there is; lost: those
    that gave no training.
    """

    metric: str
    bar: Bar | None = None
    limit: float = np.inf
    entered: list[Call] = field(default_factory=list)
    told: dict[Call, pd.DataFrame] = field(default_factory=dict)
    whole: set[Call] = field(default_factory=set)
    lost: set[Call] = field(default_factory=set)
    horizon: float = np.inf
    lock: Lock = field(default_factory=Lock)

    @property
    def may_end(self) -> bool:
        """Whether calls may end early."""
        return self.bar is not None or self.limit < np.inf

    def is_enough(self, call: Call, curve: pd.DataFrame) -> bool:
        """Take what a call has told so far; whether it may end."""
        with self.lock:
            within = self.within(curve)
            if call not in self.told or len(within) > len(self.told[call]):
                self.told[call] = within
                self.horizon = self.found()
        return self.end(curve) is not None

    def ended(self, call: Call, result: Told | Failure) -> None:
        """Take what a call has told when it has ended."""
        with self.lock:
            if isinstance(result, Failure):
                self.lost.add(call)
                self.told.pop(call, None)
            else:
                self.told[call] = self.within(result.curve)
                if result.is_whole and self.limit_of(result.curve) is None:
                    self.whole.add(call)
            self.horizon = self.found()

    def end(self, curve: pd.DataFrame) -> int | None:
        """The step after which nothing of a curve is looked at; None where it does not go so
        far."""
        ends = (rule.end(self.horizon, self.evaluations(curve)), self.limit_of(curve))
        return min((end for end in ends if end is not None), default=None)

    def limit_of(self, curve: pd.DataFrame) -> int | None:
        """The first evaluation from the limit on; None where there is none."""
        steps = self.evaluations(curve)
        place = bisect_left(steps, self.limit)
        return steps[place] if place < len(steps) else None

    def evaluations(self, curve: pd.DataFrame) -> list[int]:
        """The steps at which a curve has the metric."""
        has_any = curve[self.metric].notna() if self.metric in curve else np.zeros(len(curve), bool)
        return [int(step) for step in curve.loc[has_any, "step"]]

    def within(self, curve: pd.DataFrame) -> pd.DataFrame:
        """A curve up to the limit."""
        end = self.limit_of(curve)
        return curve if end is None else curve[curve["step"] <= end]

    def cut(self, curve: pd.DataFrame) -> pd.DataFrame:
        """A curve up to its end."""
        end = self.end(curve)
        return curve if end is None else curve[curve["step"] <= end]

    def is_cut(self, call: Call, told: Told) -> bool:
        """Whether less of a call is looked at than it trains."""
        end = self.end(told.curve)
        return not told.is_whole or (end is not None and end < call.steps)

    def found(self) -> float:
        """The horizon by what is known; infinite where no rate leads."""
        if self.bar is None or not self.told:
            return np.inf
        return targets.horizon(self.arrivals())

    def arrivals(self) -> pd.DataFrame:
        """``lr``, ``reached`` and ``lost_at`` of all calls but the lost ones. One that may still
        diverge so soon after the bar that it was not there counts as not there yet."""
        assert self.bar is not None
        told = list(self.told)
        cells = pd.DataFrame([named(call.cell) | {"steps": call.steps} for call in told])
        cells["last"] = [self.told[call]["step"].iloc[-1] for call in told]
        cells["is_stopped"] = [call not in self.whole for call in told]
        curves = pd.concat([self.told[call].assign(**named(call.cell)) for call in told])
        found = tables(curves, cells.drop(columns="last").assign(phase="race"), None)
        arrived = bars.arrivals(found.lanes, found.history, self.bar).drop(columns="steps")
        known = cells.merge(arrived, on=CELL)
        may_diverge = known["is_stopped"] & np.isinf(known["lost_at"])
        is_near = known["last"] < REACH * WINDOW * known["reached"]
        known["reached"] = known["reached"].mask(may_diverge & is_near)
        silent = [call for call in self.entered if call not in self.told and call not in self.lost]
        waiting = pd.DataFrame(
            {"lr": [call.cell.lr for call in silent], "reached": np.nan, "lost_at": np.inf}
        )
        return pd.concat([known[["lr", "reached", "lost_at"]], waiting])


def likely_first(calls: Sequence[Call]) -> list[Call]:
    """The calls, those of the middle rates first: the sooner one leads, the sooner others end."""
    rates = np.log([call.cell.lr for call in calls])
    middle = (rates.min() + rates.max()) / 2
    places = sorted(range(len(calls)), key=lambda n: (round(abs(rates[n] - middle), 9), n))
    return [calls[n] for n in places]
