"""How fast a machine eats examples: saturation, slopes, alignment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pipeline.analysis import statistics
from pipeline.analysis.statistics import LEVEL, Estimate

Floats = npt.NDArray[np.float64]
CANDIDATES = 2000
EXACT = 1e-20
"""A mean squared residual below this is rounding."""
MARGIN_POINTS = 3
"""A break needs this many batch sizes on either side."""


@dataclass(frozen=True)
class Saturation:
    """Where the growth of throughput with the batch size bends, with a 95 % interval.

    before and after: the log-log slope of examples per second against batch size on both sides:
    1 is time per step that does not depend on the batch, 0 is time in proportion to it.
    """

    batch_size: Estimate
    before: Estimate
    after: Estimate


def whole_batches(throughput: pd.DataFrame, variant: str) -> pd.DataFrame:
    """One variant's timings of batches taken whole, by batch size."""
    own = throughput[(throughput["variant"] == variant) & (throughput["micro_batches"] == 1)]
    return own.sort_values("batch_size", ignore_index=True)


def log_log_slope(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """The exponent k of y = c x^k with Student's t interval over the points; NaN for fewer than 3.

    Residuals are taken as independent.
    """
    if len(x) < 3:
        return Estimate(np.nan, np.nan, np.nan, len(x))
    logs = np.log(np.asarray(x, float))
    basis = np.stack([logs - logs.mean(), np.ones_like(logs)], axis=1)
    return coefficients(basis, np.log(np.asarray(y, float)), len(x) - 2)[0]


def coefficients(basis: Floats, y: Floats, free: int) -> list[Estimate]:
    """Least-squares coefficients with t intervals on ``free`` degrees of freedom."""
    found = np.linalg.lstsq(basis, y, rcond=None)[0]
    variance = np.square(y - basis @ found).sum() / free
    errors = np.sqrt(np.diag(variance * np.linalg.inv(basis.T @ basis)))
    halves = stats.t.ppf((1 + LEVEL) / 2, free) * errors
    return [
        Estimate(float(c), float(c - half), float(c + half), len(y))
        for c, half in zip(found, halves, strict=True)
    ]


def saturation(
    batch_size: Sequence[float], examples_per_second: Sequence[float]
) -> Saturation | None:
    """The bend of two straight lines that meet, fitted to log throughput against log batch size.

    The break minimises the residual sum of squares; its interval holds every break whose sum is
    not worse by an F test on one degree of freedom (Seber & Wild, Nonlinear Regression, 9.4).
    None where a bend explains no more than one line does (F test, 1 %), where throughput does not
    grow slower after it, or for too few points.
    """
    x, y = np.log(np.asarray(batch_size, float)), np.log(np.asarray(examples_per_second, float))
    order = np.argsort(x, kind="stable")
    x, y, n = x[order], y[order], len(x)
    if n < 2 * MARGIN_POINTS + 1:
        return None
    breaks = np.linspace(x[MARGIN_POINTS - 1], x[-MARGIN_POINTS], CANDIDATES)
    sums = residual_sums(bent(x, breaks), y)
    best = int(sums.argmin())
    straight, least = float(residual_sums(bent(x, x[-1:]), y)[0]), float(sums[best])
    if straight <= EXACT * n:
        return None
    _, before, after = coefficients(bent(x, breaks[best : best + 1])[0], y, n - 4)
    gain = (straight - least) / 2 / (max(least, EXACT * n) / (n - 4))
    if gain < stats.f.ppf(0.99, 2, n - 4) or after.value >= before.value:
        return None
    allowed = least * (1 + stats.f.ppf(LEVEL, 1, n - 4) / (n - 4))
    inside = np.exp(breaks[sums <= allowed])
    point = Estimate(float(np.exp(breaks[best])), float(inside.min()), float(inside.max()), n)
    return Saturation(point, before, after)


def bent(x: Floats, breaks: Floats) -> Floats:
    """For every break the basis of two lines that meet there: (breaks, points, 3)."""
    distance = x - breaks[:, None]
    ones = np.ones_like(distance)
    return np.stack([ones, np.minimum(distance, 0), np.maximum(distance, 0)], axis=2)


def residual_sums(bases: Floats, y: Floats) -> Floats:
    """The least sum of squared residuals for every basis: (breaks,)."""
    found = np.linalg.pinv(bases) @ y
    return np.asarray(np.square(y - (bases @ found[..., None])[..., 0]).sum(1))


def alignment(timed: pd.DataFrame) -> pd.DataFrame:
    """Sizes that were timed with both neighbours, against the mean of the two.

    kind: ``powers of two`` or ``multiples of 32``; speed_up: examples per second over the
    geometric mean of the neighbours' examples per second. The times are first quartiles over
    blocks: other work on the machine only ever adds to a block, and the effect looked for is small.
    """
    seconds = dict(zip(timed["batch_size"], timed["seconds_per_step_q25"], strict=True))
    speed = {size: size / seconds[size] for size in seconds}
    rows = []
    for size in sorted(speed):
        if size < 8 or size - 1 not in speed or size + 1 not in speed:
            continue
        power = size & (size - 1) == 0
        if power or size % 32 == 0:
            neighbours = np.sqrt(speed[size - 1] * speed[size + 1])
            kind = "powers of two" if power else "multiples of 32"
            rows.append({"batch_size": size, "kind": kind, "speed_up": speed[size] / neighbours})
    return pd.DataFrame(rows, columns=["batch_size", "kind", "speed_up"])


def mean_speed_up(pairs: pd.DataFrame) -> Estimate:
    """The geometric mean of the speed-ups with its interval over sizes."""
    return statistics.geometric_mean(pairs["speed_up"].tolist())


def accumulated(throughput: pd.DataFrame) -> pd.DataFrame:
    """Each variant's largest batch by number of micro-batches, with time and memory over the
    whole batch's: relative_seconds, relative_bytes."""
    rows = []
    for _, own in throughput.groupby("variant", sort=False):
        parts = own.dropna(subset=["update_difference"])
        if parts.empty:
            continue
        of_size = own[own["batch_size"] == parts["batch_size"].iloc[0]]
        whole = of_size[of_size["micro_batches"] == 1].iloc[0]
        table = of_size.sort_values("micro_batches")
        rows.append(
            table[["variant", "batch_size", "micro_batches", "update_difference"]].assign(
                relative_seconds=table["seconds_per_step"] / whole["seconds_per_step"],
                relative_bytes=table["peak_bytes"] / whole["peak_bytes"],
            )
        )
    columns = ["variant", "batch_size", "micro_batches", "update_difference"]
    columns += ["relative_seconds", "relative_bytes"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)
