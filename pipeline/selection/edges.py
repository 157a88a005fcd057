"""Does the grid of learning rates hold the best one, or does that lie where none was tried?

Beyond an end of the grid, or between two of its rates: a grid of half powers of ten is so coarse
that it, and not the batch size, decides which batch size is fastest.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

STEP = np.sqrt(10)
MOMENTS = (1.0, 0.1)
"""Whether the best rate lies at an end is asked for the end of the budget and for a tenth of it:
which target will count is not known while the grid trains."""
MIDDLE = (0.15, 0.3)
"""Between which rates it lies, for these shares of the budget, among which the target will be
reached at best: a rate is the fastest to a target if it is the best when the target is reached."""
SPACING = 1.4
"""Rates near the best one lie no further apart than an eighth of a power of ten."""
REFINEMENTS = 2
"""Rounds that bring half powers of ten to that."""
ROUNDING = 1e-3
FINE = 2.0
"""A diverging neighbour nearer than this leaves nothing worth trying between."""


def rates_to_add(lanes: pd.DataFrame, best: Collection[float | None]) -> list[float]:
    """The rates to add to one pack, ascending. best: its best rates, None for none.

    A factor sqrt(10) beyond each end at which a best rate lies; and halfway, in logarithms,
    between a best rate and a neighbour more than FINE times larger that diverges at most seeds:
    the best may lie just below the edge of stability. A single rate was asked for as it is, and
    has no ends. Where every rate diverges at most seeds, smaller ones are added.
    """
    rates = sorted(set(lanes["lr"]))
    if len(rates) == 1:
        return []
    added = []
    if rates[0] in best or None in best:
        added.append(rates[0] / STEP)
    if rates[-1] in best:
        added.append(rates[-1] * STEP)
    lost = lanes["status"].eq("diverged").groupby(lanes["lr"]).median() > 0.5
    added += [
        float(np.sqrt(rate * larger))
        for rate, larger in pairwise(rates)
        if rate in best and lost[larger] and larger > FINE * rate
    ]
    return sorted(float(f"{rate:.4g}") for rate in added)


def rates_between(lanes: pd.DataFrame, best: Collection[float | None]) -> list[float]:
    """The rates halfway, in logarithms, between a best rate and its neighbours, ascending.

    None where a neighbour is no more than SPACING times larger or smaller.
    """
    rates = sorted(set(lanes["lr"]))
    between = [
        float(np.sqrt(rate * larger))
        for rate, larger in pairwise(rates)
        if (rate in best or larger in best) and larger > SPACING * rate
    ]
    return [float(f"{rate:.4g}") for rate in between]


Rule = Callable[[pd.DataFrame, Collection[float | None]], list[float]]
"""Lanes of a pack and its best rates to rates to add."""


@dataclass(frozen=True)
class Adding:
    """How rates are added to a pack: the phase of their cells, the rule, the shares of the budget
    that best rates are looked at for, and how often at most: a time that adds none is the last, for
    the next would see the same."""

    phase: str
    rule: Rule
    shares: Collection[float]
    times: int


def additions(extensions: int) -> list[Adding]:
    """How rates are added, first beyond the grid and then between its rates; not at all where none
    may be beyond."""
    beyond = Adding("extend", rates_to_add, MOMENTS, extensions)
    return [beyond, Adding("refine", rates_between, MIDDLE, REFINEMENTS)] if extensions else []


def of_grid(rate: float, grid: Collection[float]) -> float:
    """The rate as the grid writes it, where that has it but for rounding."""
    return next((known for known in grid if abs(rate / known - 1) < ROUNDING), rate)


def best_rates(
    lanes: pd.DataFrame, history: pd.DataFrame, budget_steps: int, shares: Collection[float]
) -> set[float | None]:
    """``best_rate`` at shares of the budget."""
    return {best_rate(lanes, history, share * budget_steps) for share in shares}


def best_rate(lanes: pd.DataFrame, history: pd.DataFrame, step: float) -> float | None:
    """The rate whose median validation loss over seeds is lowest at the last evaluation up to
    ``step``; a diverged seed counts as infinite. The smaller rate of two equals; None if all are
    infinite."""
    so_far = history[history["step"] <= max(step, history["step"].min())].sort_values("step")
    last = so_far.drop_duplicates(["lr", "seed"], keep="last")
    cells = lanes[["lr", "seed", "status"]].merge(last[["lr", "seed", "val_loss"]], how="left")
    losses = cells["val_loss"].where(cells["status"] != "diverged").fillna(np.inf)
    medians = losses.groupby(cells["lr"]).median()
    return None if np.isinf(medians.min()) else float(medians.idxmin())
