"""What the fresh trainings say of one target: steps, seconds, and who may be the fastest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis import ranking, steps, timings, tradeoff
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.ranking import Floats
from pipeline.analysis.steps import Steps
from pipeline.selection import targets
from pipeline.selection.statistics import LEVEL


@dataclass(frozen=True)
class Answer:
    """counted: ``steps.counted``; steps: their estimates by variant; tradeoff: ``tradeoff.table``
    with ``ranking.ranked``; drawn: ``ranking.draws`` of its rows."""

    counted: pd.DataFrame
    steps: Mapping[str, Steps]
    tradeoff: pd.DataFrame
    drawn: Floats

    def is_sure(self, variant: str) -> bool:
        """Whether it is known how far seeds scatter: without that nothing tells batch sizes
        apart."""
        return variant in self.steps and self.steps[variant].freedom > 0


def answer(
    measured: Measurements,
    smooth: pd.DataFrame,
    metric: str,
    target: float,
    solutions: Sequence[pd.DataFrame],
    seed: int,
    level: float = LEVEL,
) -> Answer:
    """Count, estimate and rank for a target.

    smooth: ``targets.curves`` of the fresh trainings; solutions: tables of packs that do not hang
    on the target; level: that who may be the fastest is told at.
    """
    arrived = targets.arrivals(measured.fresh_lanes, smooth, metric, target)
    counted = steps.counted(arrived, measured.selection)
    by_variant = {
        str(variant): steps.estimate(cells) for variant, cells in counted.groupby("variant")
    }
    parts = [steps.table(counted, measured.selection, by_variant), *solutions]
    table = tradeoff.table(measured.throughput, parts)
    errors = timings.ratio_error(measured.throughput, table)
    drawn = ranking.draws(table, by_variant, errors, seed)
    found = Answer(counted, by_variant, table.join(ranking.ranked(drawn, level)), drawn)
    unsure = ~table["variant"].map(found.is_sure)
    found.tradeoff.loc[unsure, "probability_fastest"] = np.nan
    found.tradeoff.loc[unsure, "may_be_fastest"] = table["seconds_to_target"].notna()[unsure]
    return found
