"""Which batch sizes more fresh seeds would tell apart, looked at several times.

Whoever looks again after every few seeds and stops when something shows is wrong more often than
at one look. So each of LOOKS looks is at a level of its own, whose errors add up to those of LEVEL
at most (Bonferroni); between two looks the seeds double, so that few looks reach far.
"""

import numpy as np

from pipeline.analysis import ranking
from pipeline.analysis.ranking import Floats
from pipeline.selection.statistics import LEVEL

LOOKS = 4


def level(indifference: float | None) -> float:
    """That of the intervals at each look; LEVEL where one looks once."""
    return LEVEL if indifference is None else 1 - (1 - LEVEL) / LOOKS


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
