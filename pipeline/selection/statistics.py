"""Intervals over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special  # scipy.stats takes half a second to import, in every stage

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its interval over ``n`` seeds; NaN bounds where n is 1."""

    value: float
    low: float
    high: float
    n: int

    def columns(self, name: str) -> dict[str, float]:
        """The columns name, name_low and name_high of a table."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


UNKNOWN = Estimate(np.nan, np.nan, np.nan, 0)


def mean(values: Sequence[float]) -> Estimate:
    """The mean with Student's t interval; NaN everywhere for no values."""
    x = np.asarray(values, dtype=float)
    if len(x) == 0:
        return UNKNOWN
    if len(x) == 1:
        return Estimate(float(x[0]), np.nan, np.nan, 1)
    half = special.stdtrit(len(x) - 1, (1 + LEVEL) / 2) * x.std(ddof=1) / np.sqrt(len(x))
    return Estimate(float(x.mean()), float(x.mean() - half), float(x.mean() + half), len(x))


def geometric_mean(values: Sequence[float]) -> Estimate:
    """The geometric mean with Student's t interval of the logarithms: for times and steps."""
    logs = mean([float(np.log(value)) for value in values])
    low, value, high = (float(np.exp(x)) for x in (logs.low, logs.value, logs.high))
    return Estimate(value, low, high, logs.n)


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean, 0 for a single value."""
    x = np.asarray(values, dtype=float)
    return float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else 0.0


def p_below(values: Sequence[float], bound: float) -> float:
    """One-sided p of Student's t test that the mean lies below ``bound``; NaN for fewer than two.

    Values without any spread leave no doubt: 0 or 1.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return float("nan")
    if x.std() == 0:
        return float(x[0] >= bound)
    student = (x.mean() - bound) / (x.std(ddof=1) / np.sqrt(len(x)))
    return float(special.stdtr(len(x) - 1, student))


def holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's step-down adjustment (1979): the k-th smallest of n times n - k + 1, never falling.

    NaN is left out and stays.
    """
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return adjusted
