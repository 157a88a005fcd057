"""Straight lines through logarithms, and affine laws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from pipeline.selection import statistics
from pipeline.selection.statistics import LEVEL, Estimate

Floats = npt.NDArray[np.float64]
EXACT = 1e-20
"""A mean squared residual below this is rounding."""
MOST_UNSURE = 5.0
"""A logarithm known no better than this, or so far beyond the points, is not known."""
CONFOUNDED = 0.95
VARIES = 1e-6
"""A covariate whose logarithm has less spread than this does not vary."""


def log_log_slope(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """The exponent k of y = c x^k with Student's t interval over the points; NaN for fewer than 3.

    Residuals are taken as independent.
    """
    if len(x) < 3:
        return Estimate(np.nan, np.nan, np.nan, len(x))
    logs = np.log(np.asarray(x, float))
    basis = np.stack([logs - logs.mean(), np.ones_like(logs)], axis=1)
    return coefficients(basis, np.log(np.asarray(y, float)), len(x) - 2)[0]


def mean_slope(table: pd.DataFrame, by: str | list[str], x: str, y: str) -> Estimate:
    """The exponent k of y = c x^k in each group, averaged over groups with Student's t interval;
    groups with a single x are left out."""
    logs = np.log(table[[x, y]].astype(float)).groupby([table[name] for name in np.atleast_1d(by)])
    slopes = [
        float(np.polyfit(group[x], group[y], 1)[0]) for _, group in logs if group[x].nunique() > 1
    ]
    return statistics.mean(slopes)


def slope_by_seed(table: pd.DataFrame, x: str, y: str) -> Estimate:
    """``mean_slope`` over seeds, with an interval no narrower than that of the one line through
    the geometric means at every x: seeds may agree on points that lie on no line."""
    slope = mean_slope(table, "seed", x, y)
    means = np.exp(np.log(table[[x, y]].astype(float)).groupby(table[x])[y].mean())
    line = log_log_slope(means.index.to_numpy(float), means.to_numpy())
    half = np.nanmax([slope.high - slope.value, line.high - line.value, -np.inf])
    if not np.isfinite(half):
        return slope
    return Estimate(slope.value, slope.value - half, slope.value + half, slope.n)


def jackknife(
    table: pd.DataFrame,
    fit: Callable[[pd.DataFrame], Floats],
    free: int,
    by: str = "batch_size",
) -> list[Estimate]:
    """The numbers that ``fit`` makes of a table, with intervals by leaving out each batch size in
    turn (Tukey 1958), for batch sizes scatter around any law by more than their seeds do; or each
    value of another column ``by``.

    free: how many of them the fit uses up. UNKNOWN bounds where none are left.
    """
    values = sorted(table[by].unique())
    whole, groups = fit(table), len(values)
    if groups <= free:
        return [Estimate(float(value), np.nan, np.nan, groups) for value in whole]
    left_out = np.array([fit(table[table[by] != value]) for value in values])
    squares = ((left_out - left_out.mean(0)) ** 2).sum(0)
    halves = stats.t.ppf((1 + LEVEL) / 2, groups - free) * np.sqrt((groups - 1) / groups * squares)
    return [
        Estimate(float(value), float(value - half), float(value + half), groups)
        for value, half in zip(whole, halves, strict=True)
    ]


def partial_slope(table: pd.DataFrame, y: str, covariate: str) -> Estimate:
    """k of y = c B^k covariate^j with its ``jackknife`` interval over batch sizes B; UNKNOWN for
    fewer than three of them.

    NaN where the covariate follows B so closely (correlation beyond CONFOUNDED) that the two
    cannot be told apart.
    """
    count = table["batch_size"].nunique()
    if count < 3:
        return statistics.UNKNOWN
    logs = np.log(table[["batch_size", covariate]].astype(float))
    varies = bool(logs[covariate].std() > VARIES)
    if varies and abs(logs["batch_size"].corr(logs[covariate])) > CONFOUNDED:
        return Estimate(np.nan, np.nan, np.nan, count)

    def fit(part: pd.DataFrame) -> Floats:
        names = ["batch_size", covariate] if varies else ["batch_size"]
        design = np.column_stack([np.log(part[names].astype(float)), np.ones(len(part))])
        return np.linalg.lstsq(design, np.log(part[y].astype(float)), rcond=None)[0][:1]

    return jackknife(table, fit, free=2)[0]


def coefficients(basis: Floats, y: Floats, free: int) -> list[Estimate]:
    """Least-squares coefficients with t intervals on ``free`` degrees of freedom."""
    values = np.linalg.lstsq(basis, y, rcond=None)[0]
    variance = np.square(y - basis @ values).sum() / free
    errors = np.sqrt(np.diag(variance * np.linalg.inv(basis.T @ basis)))
    halves = stats.t.ppf((1 + LEVEL) / 2, free) * errors
    return [
        Estimate(float(c), float(c - half), float(c + half), len(y))
        for c, half in zip(values, halves, strict=True)
    ]


@dataclass(frozen=True)
class Affine:
    """y = start + slope x, and where it reaches a share of its pace: ``ratio`` is start / slope."""

    start: float
    slope: float
    ratio: Estimate

    def saturates(self, share: float) -> float:
        """The x at which x / y reaches this share of 1 / slope."""
        return self.ratio.value * share / (1 - share)


def affine(x_values: Sequence[float], y_values: Sequence[float]) -> Affine | None:
    """An affine law fitted to logarithms, robust against single points that lie far off.

    Least squares of log residuals with a loss that grows like their size beyond their median
    (soft L1). The interval of ``ratio`` comes from the points' scatter, with Student's t. None for
    fewer than four points, or where one of the two terms cannot be told from 0.
    """
    x, y = np.asarray(x_values, float), np.asarray(y_values, float)
    if len(x) < 4:
        return None

    def residuals(v: Floats) -> Floats:
        return np.asarray(np.log(y) - np.logaddexp(v[0], v[1] + np.log(x)))

    start = np.log([y.min(), (y / x).min()])
    first = optimize.least_squares(residuals, start)
    scale = max(1.4826 * float(np.median(np.abs(first.fun))), EXACT**0.5)
    found = optimize.least_squares(residuals, first.x, loss="soft_l1", f_scale=scale)
    inverse = np.linalg.pinv(found.jac.T @ found.jac)
    spread = float(np.sqrt((residuals(found.x) ** 2).sum() / (len(x) - 2)))
    contrast = np.array([1.0, -1.0])
    half = stats.t.ppf((1 + LEVEL) / 2, len(x) - 2) * spread
    half = float(half * np.sqrt(contrast @ inverse @ contrast))
    log_ratio = float(contrast @ found.x)
    beyond = np.abs(np.log(np.array([x.min(), x.max()])) - log_ratio).min()
    if half > MOST_UNSURE or (beyond > MOST_UNSURE and not x.min() < np.exp(log_ratio) < x.max()):
        return None
    low, value, high = (float(np.exp(log_ratio + sign * half)) for sign in (-1, 0, 1))
    first_term, slope = (float(v) for v in np.exp(found.x))
    return Affine(first_term, slope, Estimate(value, low, high, len(x)))
