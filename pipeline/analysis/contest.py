"""Which batch sizes more fresh seeds would tell apart, looked at several times.

Whoever looks again after every few seeds and stops when something shows is wrong more often than
at one look. So each of LOOKS looks is at a level of its own, whose errors add up to those of LEVEL
at most (Bonferroni); between two looks the seeds double, so that few looks reach far.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analysis import answer, ranking
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.ranking import Floats
from pipeline.params.load import Params
from pipeline.params.protocol import CONFIRM_SEED_BASE
from pipeline.selection import targets
from pipeline.selection.keys import PACK, TWO_FASTEST
from pipeline.selection.statistics import LEVEL

LOOKS = 4
TIMES_SEEDS = 2 ** (LOOKS - 1)
"""How many times the seeds of the first look the last one has."""
LEVEL_OF_LOOK = 1 - (1 - LEVEL) / LOOKS
Tables = tuple[pd.DataFrame, pd.DataFrame]
Train = Callable[[Iterable[pd.DataFrame], list[int], int], Iterable[Tables]]
"""For each of some packs the selection's rows of its two fastest rates, seeds, and the number of
the look, to what their trainings give: lanes and history of each pack."""


def level(indifference: float | None) -> float:
    """That of the intervals at each look; LEVEL where one looks once."""
    return LEVEL if indifference is None else LEVEL_OF_LOOK


def contenders(drawn: Floats, indifference: float) -> list[int]:
    """The rows that more seeds are worth while for: those not shown to be slower than another;
    none where that is one alone, or where the dearest of them costs at most ``indifference`` more
    than the cheapest.

    drawn: ``ranking.draws``.
    """
    at = level(indifference)
    table = ranking.ranked(drawn, at)
    rows = np.flatnonzero(table["may_be_fastest"])
    if len(rows) < 2:
        return []
    best = int(table["regret"].idxmin())
    if ranking.dearest(drawn, rows, best, at) <= 1 + indifference:
        return []
    return [int(row) for row in rows]


def seeds_of_look(first: int, look: int) -> range:
    """The numbers, from 0, of the fresh seeds that are added before a look (from 1): as many as
    there were. first: how many the look before the first had."""
    return range(first * 2 ** (look - 1), first * 2**look)


def confirmed(results: Path) -> Measurements:
    """What is known of the confirmed trainings, and the first pass of the timings."""
    return Measurements(
        selection=pd.read_csv(results / "selection.csv"),
        confirmed=pd.read_parquet(results / "confirm.parquet"),
        confirmed_lanes=pd.read_parquet(results / "confirm_lanes.parquet"),
        throughput=pd.read_csv(results / "throughput.csv").assign(later_over_earlier=np.nan),
    )


@dataclass
class Contest:
    """All fresh trainings so far; lanes and history are those of the contest alone."""

    params: Params
    measured: Measurements
    lanes: list[pd.DataFrame] = field(default_factory=list)
    history: list[pd.DataFrame] = field(default_factory=list)

    def hold(self, train: Train) -> None:
        """Look, train, look again; nothing without ``limits.indifference``."""
        indifference, first = self.params.limits.indifference, self.params.confirm.seeds
        for look in range(1, LOOKS if indifference is not None else 1):
            rows = self.contenders()
            if rows.empty:
                break
            named = ", ".join(f"{row.variant} {row.batch_size}" for row in rows.itertuples())
            print(f"contest: not told apart: {named}", file=sys.stderr)
            chosen = rows[PACK].merge(self.measured.selection, on=PACK)
            chosen = chosen[chosen["criterion"].isin(TWO_FASTEST)]
            seeds = [CONFIRM_SEED_BASE + n for n in seeds_of_look(first, look)]
            packs = [of_pack for _, of_pack in chosen.groupby(PACK, sort=False)]
            for lanes, history in train(packs, seeds, look):
                self.lanes.append(lanes)
                self.history.append(history)

    def contenders(self) -> pd.DataFrame:
        """The packs that more seeds are trained for: variant and batch_size."""
        params = self.params
        metric, indifference = params.target.metric, params.limits.indifference
        assert indifference is not None
        lanes, history = self.tables()
        measured = replace(self.measured, contest=history, contest_lanes=lanes)
        smooth = targets.curves(measured.fresh_lanes, measured.fresh, metric)
        found = answer.answer(measured, smooth, metric, measured.target, (), params.seed)
        return found.tradeoff.iloc[contenders(found.drawn, indifference)]

    def tables(self) -> Tables:
        """Lanes and history of the contest as one table each; empty where none was held."""
        lanes, history = (
            pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
            for parts in (self.lanes, self.history)
        )
        return lanes, history
