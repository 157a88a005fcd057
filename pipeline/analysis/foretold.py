"""What would tell batch sizes apart that are not: more fresh seeds, or seconds known exactly."""

from dataclasses import dataclass

import numpy as np

from pipeline.analysis import contest, ranking
from pipeline.analysis.ranking import Floats

INDIFFERENCE = 0.1
"""The ``limits.indifference`` that is foretold of."""


@dataclass(frozen=True)
class Foretold:
    """What the dearest of some batch sizes would take at most over the recommended one's time if
    all looks of a contest were taken, and whether seeds are what hides most.

    with_seeds: None where a contest would probably leave one batch size alone.
    """

    with_seeds: float | None
    by_seeds: bool


def foretell(with_seeds: Floats, with_clock: Floats) -> Foretold:
    """What is foretold of the recommended row, which comes first, and of those that are not told
    apart from it.

    with_seeds: ``ranking.draws`` as if of ``contest.TIMES_SEEDS`` times the seeds. with_clock: as
    if the seconds of a step were known exactly.
    """
    rows, level = np.arange(1, len(with_seeds)), contest.LEVEL_OF_LOOK
    of_seeds, of_clock = (
        ranking.dearest(drawn, rows, 0, level) for drawn in (with_seeds, with_clock)
    )
    by_seeds = of_seeds <= of_clock
    left = rows[ranking.ranked(with_seeds, level)["may_be_fastest"].to_numpy()[1:]]
    if len(left) == 0:
        return Foretold(None, by_seeds)
    most = ranking.dearest(with_seeds, left, 0, level)
    return Foretold(max(most, 1 + INDIFFERENCE), by_seeds)
