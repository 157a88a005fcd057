"""Logarithms of steps of which some are only known to be larger than a budget.

Censored normal regression (Tobin 1958): log steps are normal around a linear predictor, and a
training that missed the target says that its steps lie beyond its budget.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from pipeline.selection.statistics import LEVEL, Estimate

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
ITERATIONS = 200
FIRST_SPREAD, LEAST_SPREAD = 0.05, 1e-6
"""What the search starts from at least, and ends at."""


@dataclass(frozen=True)
class Fit:
    """Coefficients of the predictor, and the spread around it.

    spread: the standard deviation of log steps, its square divided by ``freedom``, the trainings
    that arrived less the coefficients, instead of by their number; NaN where none is left.
    """

    coefficients: Floats
    spread: float
    freedom: int


def fit(design: Floats, values: Floats, censored: Flags) -> Fit:
    """Maximum likelihood by Newton's method in coefficients / spread and 1 / spread, in which the
    likelihood is concave (Olsen 1978).

    design: (n, coefficients), every column with a training that arrived. values: (n,), where
    ``censored`` a lower bound.
    """
    hit = ~censored
    freedom = int(hit.sum()) - design.shape[1]
    scale = np.sqrt(hit.sum() / freedom) if freedom > 0 else np.nan
    start = np.linalg.lstsq(design[hit], values[hit], rcond=None)[0]
    spread = float((values[hit] - design[hit] @ start).std())
    if hit.all():
        return Fit(np.asarray(start, float), float(scale * spread), freedom)
    point = np.append(start, 1.0) / max(spread, FIRST_SPREAD)
    rows = np.column_stack([-design, values])

    def likelihood(v: Floats) -> float:
        z = rows @ v
        return float(
            hit.sum() * np.log(v[-1]) - 0.5 * z[hit] @ z[hit] + special.log_ndtr(-z[~hit]).sum()
        )

    for _ in range(ITERATIONS):
        z = rows @ point
        hazard = np.exp(-0.5 * z**2 - special.log_ndtr(-z)) / np.sqrt(2 * np.pi)
        slope = np.where(hit, z, hazard)
        weight = np.where(hit, 1.0, hazard * (hazard - z))
        gradient = -rows.T @ slope
        gradient[-1] += hit.sum() / point[-1]
        hessian = (rows * weight[:, None]).T @ rows
        hessian[-1, -1] += hit.sum() / point[-1] ** 2
        move = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        now, share = likelihood(point), 1.0
        while point[-1] + share * move[-1] <= 0 or likelihood(point + share * move) < now - 1e-12:
            share /= 2
            if share < 1e-10:
                break
        point = point + (share if share >= 1e-10 else 0.0) * move
        if point[-1] > 1 / LEAST_SPREAD or np.abs(move).max() < 1e-9 * np.abs(point).max():
            break
    return Fit(point[:-1] / point[-1], float(scale / point[-1]), freedom)


def mean(values: Floats, censored: Flags, spread: float, freedom: int) -> Estimate:
    """The mean of one group's log steps with its interval, the spread being known from all groups.

    The interval holds the means whose likelihood ratio is above that of Student's t at ``freedom``
    degrees; without censored values it is the t interval. Infinite for a group in which nothing
    arrived.
    """
    hits, bounds = values[~censored], values[censored]
    if len(hits) == 0:
        return Estimate(np.inf, np.nan, np.nan, len(values))
    if not spread > 0:
        return Estimate(float(hits.mean()), np.nan, np.nan, len(values))

    def slope(center: float) -> float:
        z = (bounds - center) / spread
        hazard = np.exp(-0.5 * z**2 - special.log_ndtr(-z)) / np.sqrt(2 * np.pi)
        return float(((hits - center) / spread).sum() + hazard.sum())

    def likelihood(center: float) -> float:
        z = (hits - center) / spread
        return float(-0.5 * z @ z + special.log_ndtr((center - bounds) / spread).sum())

    far = 40 * spread + np.ptp(values)
    best = optimize.brentq(slope, hits.mean() - 1e-9 - spread, values.max() + far)
    allowed = likelihood(best) - special.stdtrit(freedom, (1 + LEVEL) / 2) ** 2 / 2
    low, high = (
        optimize.brentq(lambda c: likelihood(c) - allowed, best, best + sign * 4 * far)
        for sign in (-1, 1)
    )
    return Estimate(float(best), float(low), float(high), len(values))
