"""How the steps to the target of one pack answer to the learning rate, all its trainings together.

Three seeds tell a rate from its neighbour by luck as often as not; a smooth curve through all rates
near the best one borrows from both sides.
"""

import numpy as np
import pandas as pd

from pipeline.selection import censored

NEAR = 6.0
"""Rates within this factor of the one with the fewest steps are judged together."""
ENOUGH = 4
"""A parabola needs one rate more than it has coefficients."""


def response(cells: pd.DataFrame) -> pd.Series:
    """Steps to target by rate on a parabola in log rate through log steps, fitted to the seeds of
    all rates near the best with misses as censored; where these are fewer than ENOUGH, each rate's
    own geometric mean. Infinite for a rate that misses the target with half its seeds or more, and
    for one that is not near.

    cells: lr, steps (to the target, or the budget of one that missed it) and missed, of one pack.
    """
    rates = pd.Series(np.inf, index=pd.Index(sorted(set(cells["lr"])), name="lr"))
    share = cells["missed"].groupby(cells["lr"]).mean()
    arriving = cells[cells["lr"].isin(share.index[share < 0.5])]
    if arriving.empty:
        return rates
    logs = np.log(arriving["steps"])
    best = logs.groupby(arriving["lr"]).mean().idxmin()
    near = arriving[np.abs(np.log(arriving["lr"] / best)) <= np.log(NEAR)]
    tried = np.array(sorted(set(near["lr"])))
    place = np.searchsorted(tried, near["lr"])
    basis = np.eye(len(tried))
    if len(tried) >= ENOUGH:
        basis = np.vander(np.log(tried / best), 3)
    fit = censored.fit(basis[place], logs[near.index].to_numpy(), near["missed"].to_numpy(bool))
    rates[tried] = np.exp(basis @ fit.coefficients)
    return rates
