"""How the steps to the target of one pack answer to the learning rate, all its trainings together.

Three seeds tell a rate from its neighbour by luck as often as not; a smooth curve through all rates
near the best one borrows from both sides.
"""

import numpy as np
import pandas as pd

from pipeline.selection import censored
from pipeline.selection.targets import WINDOW, horizon

NEAR = 6.0
"""Rates within this factor of the one with the fewest steps are judged together."""
ENOUGH = 4
"""A parabola needs one rate more than it has coefficients."""


def response(cells: pd.DataFrame) -> pd.Series:
    """Steps to target by rate on a parabola in log rate through log steps, fitted to the seeds of
    all rates near the best, those beyond the ``horizon`` as censored there; where these rates are
    fewer than ENOUGH, each rate's own geometric mean. Infinite for a rate that has half its seeds
    or more beyond it, and for one that is not near.

    The next smaller rate than those is fitted too: its steps lie beyond the horizon, and say how
    they rise. The next larger one says nothing, for it may diverge. cells: as for ``horizon``.
    """
    rates = pd.Series(np.inf, index=pd.Index(sorted(set(cells["lr"])), name="lr"))
    last = horizon(cells)
    if np.isinf(last):
        return rates
    late = ~(cells["reached"] <= last) | (cells["lost_at"] <= WINDOW * last)
    logs = np.log(cells["reached"].where(~late, last))
    share = late.groupby(cells["lr"]).mean()
    arriving = share.index[share < 0.5]
    if arriving.empty:
        return rates
    best = logs.groupby(cells["lr"]).mean()[arriving].idxmin()
    near = arriving[np.abs(np.log(arriving / best)) <= np.log(NEAR)]
    slower = rates.index[(rates.index < near.min()) & ~rates.index.isin(arriving)][-1:]
    tried = near.union(slower) if len(near) + len(slower) >= ENOUGH else near
    fitted = cells["lr"].isin(tried)
    place = tried.get_indexer(cells.loc[fitted, "lr"])
    basis = np.eye(len(tried))
    if len(tried) >= ENOUGH:
        basis = np.vander(np.log(tried / best), 3)
    fit = censored.fit(basis[place], logs[fitted].to_numpy(), late[fitted].to_numpy(bool))
    steps = pd.Series(np.exp(basis @ fit.coefficients), index=tried)
    rates[near] = steps[near]
    return rates
