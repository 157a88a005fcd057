"""Which batch sizes may be the fastest, how likely each is, and what choosing it may cost.

Everything is read from draws of the seconds to the target that agree with what was measured: the
means of log steps as their intervals have them, the seconds of a step as their blocks and repeated
runs scatter. What all batch sizes share, such as a machine that is slow for an hour, is not in
them: it cancels in a ratio.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pipeline.analysis.steps import Steps
from pipeline.selection.statistics import LEVEL, UNKNOWN, Estimate

Floats = npt.NDArray[np.float64]
DRAWS = 20_000


def draws(
    tradeoff: pd.DataFrame,
    by_variant: Mapping[str, Steps],
    step_error: "pd.Series[float]",
    seed: int,
    times_seeds: float = 1.0,
) -> Floats:
    """Log seconds to the target, (rows of the tradeoff, DRAWS); NaN for a row that has none.

    Posterior draws under flat priors: ``deviations`` of each variant's means, and the clock's.
    step_error: of every row, the standard error of the logarithm
    of a step's seconds beside another row's. times_seeds: about as if the same means came from so
    many times the seeds.
    """
    rng = np.random.default_rng([seed, DRAWS])
    found = np.log(tradeoff["seconds_to_target"].to_numpy(float))[:, None]
    found = found + step_error.to_numpy(float)[:, None] * rng.standard_normal((len(found), DRAWS))
    for variant, steps in by_variant.items():
        if steps.freedom < 1:
            continue
        rows = np.flatnonzero(tradeoff["variant"] == variant)
        logs = np.log(
            tradeoff.iloc[rows][[f"steps_to_target{end}" for end in ("", "_low", "_high")]]
        )
        found[rows] += deviations(logs.to_numpy(float), steps.freedom, rng, DRAWS, times_seeds)
    return found


def deviations(
    logs: Floats,
    freedom: int,
    rng: np.random.Generator,
    count: int,
    times_seeds: float = 1.0,
) -> Floats:
    """Draws (means, count) of how far log means that share a spread may lie from their estimates.

    logs: (means, 3), the logarithms of each estimate and its lower and upper bound. Student's t at
    ``freedom`` degrees, stretched to either side as far as the interval reaches; 0 for a mean
    without one. times_seeds: as if of so many times the seeds, which leave more degrees.
    """
    middle, low, high = logs.T
    left = times_seeds * (freedom + len(logs)) - len(logs)
    student = np.sqrt(left / rng.chisquare(left, count)) * rng.standard_normal((len(logs), count))
    student /= np.sqrt(times_seeds)
    reach = special.stdtrit(freedom, (1 + LEVEL) / 2)
    halves = np.where(student > 0, (high - middle)[:, None], (middle - low)[:, None]) / reach
    return np.asarray(np.nan_to_num(halves) * student)


def ranked(drawn: Floats, level: float = LEVEL) -> pd.DataFrame:
    """For every row: probability_fastest, regret and may_be_fastest.

    The probability is right over batch sizes that differ by anything; of near ties it makes a
    little too much, as flat priors do, and may_be_fastest does not.

    regret: the expected time over that of the fastest row, less 1. may_be_fastest: not shown to be
    slower than any other row, by multiple comparisons with the best (Hsu 1984): the set holds the
    fastest row in at least a share ``level`` of studies. NaN and False for a row without seconds.
    """
    known = np.flatnonzero(np.isfinite(drawn).all(1))
    table = pd.DataFrame(
        {"probability_fastest": np.nan, "regret": np.nan, "may_be_fastest": False},
        index=range(len(drawn)),
    )
    if len(known) == 0:
        return table
    logs = drawn[known]
    table.loc[known, "probability_fastest"] = (
        np.bincount(logs.argmin(0), minlength=len(known)) / logs.shape[1]
    )
    with np.errstate(over="ignore"):  # contradicting timings draw seconds beyond all numbers
        table.loc[known, "regret"] = np.exp(logs - logs.min(0)).mean(1) - 1
    table.loc[known, "may_be_fastest"] = [
        not is_slower(logs, n, level=level) for n in range(len(known))
    ]
    return table


def is_slower(logs: Floats, place: int, margin: float = 0.0, level: float = LEVEL) -> bool:
    """Whether a row is shown to be slower than some other by more than a margin: its largest
    standardised excess over another row lies beyond ``level`` of what it would be if all were
    equally fast (Dunnett 1955).

    logs: draws of every row (rows, draws).
    """
    if len(logs) == 1:
        return False
    differences = logs[place] - np.delete(logs, place, axis=0)
    means, errors = differences.mean(1, keepdims=True), differences.std(1, keepdims=True)
    if not (errors > 0).all():
        return bool((means > margin).any())
    by_chance = ((differences - means) / errors).max(0)
    return bool(((means - margin) / errors).max() > np.quantile(by_chance, level))


def price(drawn: Floats, row: int, best: int) -> Estimate:
    """The time of one row over that of another, with its interval."""
    logs = drawn[row] - drawn[best]
    if not np.isfinite(np.exp(logs)).all():
        return Estimate(np.nan, np.nan, np.nan, 0)
    return of_ratios(logs, len(logs))


def least(drawn: Floats, rows: Sequence[int], others: Sequence[int], n: int) -> Estimate:
    """The least time of some rows over the least of others, with its interval: in every draw each
    side has its own fastest row, for which one that is is not known. n: what the estimate rests on.
    """
    known = set(np.flatnonzero(np.isfinite(drawn).all(1)))
    ours, theirs = ([row for row in side if row in known] for side in (rows, others))
    if not (ours and theirs):
        return UNKNOWN
    return of_ratios(drawn[ours].min(0) - drawn[theirs].min(0), n)


def of_ratios(logs: Floats, n: int) -> Estimate:
    """The median of ratios, whose logarithms are drawn, with their interval."""
    tail = (1 - LEVEL) / 2
    low, middle, high = np.quantile(np.exp(logs), [tail, 0.5, 1 - tail])
    return Estimate(float(middle), float(low), float(high), n)


def dearest(drawn: Floats, rows: "npt.NDArray[np.int64]", best: int, level: float = LEVEL) -> float:
    """What the dearest of some rows takes at most over another row's time, at a level."""
    worst = np.exp(drawn[rows] - drawn[best]).max(0)
    return float(np.quantile(worst, level))
