"""What the timings of steps say: batches taken whole, aligned sizes, accumulated micro-batches."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.analysis import lines
from pipeline.analysis.lines import Affine
from pipeline.selection import statistics
from pipeline.selection.keys import PACK, rows_of
from pipeline.selection.statistics import Estimate

BETWEEN_RUNS = 0.15
"""The standard deviation of the logarithm of a step's seconds from run to run on one shared
machine: six studies gave 0.05 to 0.21 by batch size, and blocks within a run did not show it."""
BETWEEN_RATIOS = 0.05
"""That of one batch size's seconds beside all others', in which what slows all cancels: 0.02 to
0.07 by batch size, 0.14 at the largest."""
BETWEEN_LAWS = 0.1
"""That of the overhead of a step over the marginal cost of an example."""
UNTRUSTWORTHY = 0.25
"""The same as BETWEEN_RATIOS where two passes of one study are so far apart that no batch size
can be recommended by them."""
NORMAL = 1.96
QUARTILES, MEDIAN_ERROR = 1.349, 1.253
"""Normal quartiles lie so many standard deviations apart; the median of n values has so many
standard errors of their mean."""
ALIGNED_MARGIN = 0.02
"""A difference in speed below this is none."""
ABOVE_FLOOR = 1.05
"""Memory beyond this times the least of all sizes grows with the batch."""


def with_later(throughput: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """The timings with a column later_over_earlier: of the grid's rows, the seconds per step of
    the pass after the training over those of the one before it; NaN where there is no later one.

    The seconds themselves stay those of the earlier pass, in which everything was timed together.
    """
    names = {"seconds_per_step": "later"}
    known = later[[*PACK, *names]].rename(columns=names)
    both = throughput[PACK].merge(known, on=PACK, how="left", validate="many_to_one")
    ratio = both["later"].to_numpy(float) / throughput["seconds_per_step"]
    return throughput.assign(later_over_earlier=ratio.where(throughput["in_grid"]))


def over_passes(timed: pd.DataFrame) -> pd.DataFrame:
    """The grid's rows with the geometric mean of their passes as seconds per step; one that was
    not timed later is taken to have changed as the others did."""
    changes = np.log(timed["later_over_earlier"])
    changes = changes.fillna(changes.mean()).fillna(0.0)
    seconds = timed["seconds_per_step"] * np.exp(changes / 2)
    speed = timed["batch_size"] / seconds
    return timed.assign(seconds_per_step=seconds, examples_per_second=speed)


def between_passes(throughput: pd.DataFrame) -> tuple[float, float]:
    """Standard deviations of the logarithm of a step's seconds from pass to pass: of what all batch
    sizes share, and of what each does beside the others; 0 where one pass cannot tell."""
    logs = np.log(throughput.loc[throughput["in_grid"], "later_over_earlier"].dropna())
    if logs.empty:
        return 0.0, 0.0
    alone = float(logs.std(ddof=1)) if len(logs) > 1 else 0.0
    return abs(float(logs.mean())) / np.sqrt(2), alone / np.sqrt(2)


def passes_agree(throughput: pd.DataFrame) -> bool:
    """Whether the two passes agree on which batch size's step takes how much longer."""
    return between_passes(throughput)[1] <= UNTRUSTWORTHY


def whole_batches(throughput: pd.DataFrame, variant: str) -> pd.DataFrame:
    """One variant's timings of batches taken whole, by batch size; none that were not timed."""
    rows = rows_of(throughput[throughput["micro_batches"] == 1], variant)
    return rows.dropna(subset=["seconds_per_step"]).sort_values("batch_size", ignore_index=True)


def log_error(timed: pd.DataFrame) -> "pd.Series[float]":
    """The standard error of the logarithm of each row's seconds per step: that of the median of
    its blocks, whose spread the quartiles tell."""
    spread = np.log(timed["seconds_per_step_q75"] / timed["seconds_per_step_q25"]) / QUARTILES
    return MEDIAN_ERROR * spread / np.sqrt(timed["blocks"])


def ratio_error(throughput: pd.DataFrame, table: pd.DataFrame) -> "pd.Series[float]":
    """For each row of a tradeoff table the standard error of the logarithm of its step's seconds
    beside another row's: by the rounds that they were timed in, or by its blocks where it was timed
    alone, and from run to run."""
    timed = throughput[throughput["in_grid"]]
    known = timed.reindex(columns=["ratio_error"])["ratio_error"].astype(float)
    errors = timed[PACK].assign(error=known.fillna(log_error(timed)))
    merged = table[PACK].merge(errors, on=PACK, how="left", validate="one_to_one")
    between = max(BETWEEN_RATIOS, between_passes(throughput)[1])
    return np.hypot(merged["error"], between / np.sqrt(2))


def hour_to_hour(timed: pd.DataFrame) -> "pd.Series[float]":
    """Half the width of the 95 % interval of the logarithm of each row's seconds per step in
    another hour: both hours differ from the machine's mean.

    Passes minutes apart may differ by more than hours are known to, and never say less.
    """
    between = max(BETWEEN_RUNS, *between_passes(timed))
    return NORMAL * np.hypot(log_error(timed), np.sqrt(2) * between)


def step_law(timed: pd.DataFrame) -> Affine | None:
    """Seconds per step as overhead + batch size x marginal cost; the interval of their ratio holds
    from run to run."""
    law = lines.affine(timed["batch_size"], timed["seconds_per_step"])
    if law is None:
        return None
    ratio = law.ratio
    half = float(np.hypot(np.log(ratio.high / ratio.value), NORMAL * BETWEEN_LAWS))
    low, high = ratio.value * np.exp(-half), ratio.value * np.exp(half)
    return replace(law, ratio=Estimate(ratio.value, float(low), float(high), ratio.n))


def gain(timed: pd.DataFrame) -> Estimate:
    """Examples per second at the largest size timed over those at the smallest, with an interval
    that holds from run to run."""
    ends = timed.sort_values("batch_size").iloc[[0, -1]]
    speed = (ends["batch_size"] / ends["seconds_per_step"]).to_numpy()
    half = NORMAL * np.hypot(np.hypot(*log_error(ends)), BETWEEN_RATIOS)
    low, value, high = (float(speed[1] / speed[0] * np.exp(end * half)) for end in (-1, 0, 1))
    return Estimate(value, low, high, len(timed))


def elasticity(timed: pd.DataFrame) -> Estimate:
    """The exponent by which the seconds of a step grow with the batch from the smallest to the
    largest size timed: 1 in proportion, 0 not at all."""
    sizes, growth = timed["batch_size"], gain(timed)
    reach = np.log(sizes.max() / sizes.min())
    high, value, low = (
        float(1 - np.log(x) / reach) for x in (growth.low, growth.value, growth.high)
    )
    return Estimate(value, low, high, growth.n)


@dataclass(frozen=True)
class MemoryLaw:
    """Peak bytes as max(floor, start + per_example x batch size); off: the largest relative
    distance of a size above the floor from it; n: how many those are."""

    floor: float
    start: float
    per_example: float
    off: float
    n: int


def memory_law(timed: pd.DataFrame) -> MemoryLaw | None:
    """The law of the sizes that were weighed; None where fewer than three lie above the floor."""
    weighed = timed.dropna(subset=["peak_bytes"])
    sizes, peaks = weighed["batch_size"].to_numpy(float), weighed["peak_bytes"].to_numpy(float)
    floor = float(peaks.min()) if len(peaks) else np.nan
    above = peaks > ABOVE_FLOOR * floor
    if above.sum() < 3:
        return None
    per_example, start = np.polyfit(sizes[above], peaks[above], 1)
    off = np.abs((start + per_example * sizes[above]) / peaks[above] - 1).max()
    return MemoryLaw(floor, float(start), float(per_example), float(off), int(above.sum()))


def mean_speed_up(pairs: pd.DataFrame) -> Estimate:
    """The geometric mean of the speed-ups with its interval over sizes."""
    return statistics.geometric_mean(pairs["speed_up"].tolist())


def accumulated(throughput: pd.DataFrame) -> pd.DataFrame:
    """Each variant's largest batch by number of micro-batches, with time and memory over the
    whole batch's: relative_seconds, relative_bytes."""
    rows = []
    for _, timed in throughput.groupby("variant", sort=False):
        parts = timed.dropna(subset=["update_difference"])
        if parts.empty:
            continue
        of_size = timed[timed["batch_size"] == parts["batch_size"].iloc[0]]
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
