"""Which rate a learning-rate finder would have chosen, and what that choice costs."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.selection.keys import PACK, rows_of

Floats = npt.NDArray[np.float64]
COLUMNS = ("finder", *PACK, "suggested_lr", "best_lr", "steps_ratio", "missed")


def steepest(rates: Floats, losses: Floats) -> float:
    """Where the smoothed loss falls most from step to step: the suggestion of Lightning's
    ``lr_find`` before version 2.5.3. The first ten steps and the last are left out; NaN where too
    few are left."""
    x, y = inner(rates, losses)
    return float(x[np.gradient(y).argmin()]) if len(y) > 1 else np.nan


def steepest_by_rate(rates: Floats, losses: Floats) -> float:
    """The same since version 2.5.3, which divides by the difference in rate, so that at tiny rates
    the noise of minibatches decides (issue 21141 of the library)."""
    x, y = inner(rates, losses)
    return float(x[np.gradient(y, x).argmin()]) if len(y) > 1 else np.nan


def inner(rates: Floats, losses: Floats) -> tuple[Floats, Floats]:
    """What ``lr_find`` of Lightning looks at by default."""
    x, y = rates[10:-1], losses[10:-1]
    return x[np.isfinite(y)], y[np.isfinite(y)]


def valley(rates: Floats, losses: Floats) -> float:
    """fastai's suggestion: half way through the longest falling subsequence of smoothed losses, the
    first ten steps and the last five left out (``lr_find``'s default); NaN where none are left."""
    x, y = rates[10:-5], losses[10:-5]
    finite = np.isfinite(y)
    x, y = (x, y) if finite.all() else (x[: finite.argmin()], y[: finite.argmin()])
    if len(y) == 0:
        return np.nan
    lengths = np.ones(len(y), dtype=int)
    for place in range(1, len(y)):
        higher = y[:place] > y[place]
        if higher.any():
            lengths[place] = lengths[:place][higher].max() + 1
    end = int(lengths.argmax())
    start = max(0, end - int(lengths[end]))
    third = (end - start) / 3
    return float(x[start + int(third) + int(third / 2)])


Rule = Callable[[Floats, Floats], float]
FINDERS: dict[str, tuple[str, Rule]] = {
    "lightning": ("lightning", steepest),
    "lightning 2.5.3": ("lightning", steepest_by_rate),
    "fastai": ("fastai", valley),
}
"""The library whose range test each finder reads, and its rule."""


def choices(range_tests: pd.DataFrame, rates: pd.DataFrame, budget: pd.Series) -> pd.DataFrame:
    """One row per finder and pack: the median suggestion over seeds, the best screened rate, and
    the steps to the target at the one over those at the other.

    The steps between two screened rates are interpolated in logarithms; a suggestion beyond the
    rates that reach the target with most seeds ``missed`` it, and the ratio is what its budget has
    at least. rates: ``winners.by_rate``; budget: steps of every pack.
    """
    rows = []
    keys = [
        (finder, *pack)
        for finder, (library, _) in FINDERS.items()
        for pack, _ in range_tests[range_tests["library"] == library].groupby(PACK, sort=False)
    ]
    for finder, variant, size in keys:
        library, rule = FINDERS[finder]
        screened = rows_of(rates, variant, size).sort_values("lr")
        steps = screened["median_steps"].to_numpy(float)
        tests = rows_of(range_tests[range_tests["library"] == library], variant, size)
        suggestions = [
            rule(one["lr"].to_numpy(), one["loss"].to_numpy()) for _, one in tests.groupby("seed")
        ]
        suggested = float(np.nanmedian(suggestions)) if np.isfinite(suggestions).any() else np.nan
        if not np.isfinite(steps).any() or np.isnan(suggested):
            continue
        at = log_steps_at(np.log(suggested), np.log(screened["lr"].to_numpy(float)), np.log(steps))
        missed = not np.isfinite(at)
        least = float(np.log(steps.min()))
        ratio = float(np.exp((np.log(budget[variant, size]) if missed else at) - least))
        best = float(screened["lr"].iloc[int(steps.argmin())])
        rows.append((finder, variant, size, suggested, best, ratio, missed))
    return pd.DataFrame(rows, columns=COLUMNS)


def log_steps_at(log_rate: float, log_rates: Floats, log_steps: Floats) -> float:
    """Log steps at a rate: between its two neighbours on the line through theirs; infinite where
    one of them misses the target, or beyond them all."""
    if log_rate < log_rates[0] or log_rate > log_rates[-1]:
        return float("inf")
    beside = log_rates >= log_rate
    upper = int(beside.argmax())
    if np.isclose(log_rates[upper], log_rate):
        return float(log_steps[upper])
    pair = slice(upper - 1, upper + 1)
    if not np.isfinite(log_steps[pair]).all():
        return float("inf")
    return float(np.interp(log_rate, log_rates[pair], log_steps[pair]))
