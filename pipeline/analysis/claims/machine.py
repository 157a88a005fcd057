"""Claims about what a batch costs the machine."""

import numpy as np

from pipeline.analysis import lines
from pipeline.analysis.claims.claim import Outcome, claim, interval_verdict, untested
from pipeline.analysis.study import Study
from pipeline.analysis.timings import ALIGNED_MARGIN, mean_speed_up
from pipeline.selection.statistics import UNKNOWN, Estimate

SLOPE_MARGIN = 0.1
"""A log-log slope this near to 1 counts as proportional."""
FLAT = 0.02
"""An exponent of throughput below this is no growth."""
SAME_UPDATE = 1e-3
TOP_SHARE = 8
"""Costs in proportion to the batch are looked for above the largest size over this."""


@claim(
    "larger-faster",
    "A larger batch computes faster",
    test=f"Two lines through log examples per second by log batch size; slopes above {FLAT}",
    effect="exponent of throughput before the bend",
    figure="throughput",
    table="throughput",
)
def larger_faster(study: Study) -> Outcome:
    """Throughput against batch size, before and after its bend."""
    sizes, bend = study.timed["batch_size"], study.bend
    if bend is None:
        slope = lines.log_log_slope(sizes, study.timed["examples_per_second"])
        finding = f"No bend between batch size {sizes.min()} and {sizes.max()}."
        return Outcome(interval_verdict(slope, FLAT, -FLAT), slope, finding)
    at, slope = bend.at, bend.before
    verdict = interval_verdict(slope, FLAT, -FLAT)
    if verdict == "supported" and bend.after.low <= FLAT:
        verdict = "mixed"
    finding = (
        f"Throughput bends at batch size {at.value:.0f} ({at.low:.0f} to {at.high:.0f}): below "
        f"it grows as B^{slope.value:.2f}, above as B^{bend.after.value:.2f}."
    )
    return Outcome(verdict, slope, finding)


@claim(
    "memory-linear",
    "Compute and memory grow in proportion to the batch size",
    test=f"Log-log slopes over the largest {TOP_SHARE}-fold of sizes, within {SLOPE_MARGIN} of 1",
    effect="exponent of peak memory",
    figure="throughput",
    table="throughput",
)
def memory_linear(study: Study) -> Outcome:
    """Peak memory and time per step in proportion to the batch size, for large batches."""
    timed = study.timed
    large = timed[timed["batch_size"] >= timed["batch_size"].max() / TOP_SHARE]
    weighed = large.dropna(subset=["peak_bytes"])
    memory = lines.log_log_slope(weighed["batch_size"], weighed["peak_bytes"])
    if memory.n < 3:
        return untested("Fewer than three large batch sizes were weighed.", memory)
    seconds = lines.log_log_slope(large["batch_size"], large["seconds_per_step"])
    rival = "is refuted" if memory.low > 0 else "is not refuted"
    finding = (
        f"From batch size {large['batch_size'].min()} on, memory grows as B^{memory.value:.2f} "
        f"({memory.low:.2f} to {memory.high:.2f}, n = {memory.n}) and time per step as "
        f"B^{seconds.value:.2f} ({seconds.low:.2f} to {seconds.high:.2f}, n = {seconds.n}). "
        f"The rival, that a larger batch needs less memory, {rival}."
    )
    return Outcome(proportion_verdict(memory, seconds), memory, finding)


def proportion_verdict(*slopes: Estimate) -> str:
    """Supported where all are near 1, refuted where no interval comes near it, otherwise mixed."""
    near = [abs(slope.value - 1) <= SLOPE_MARGIN for slope in slopes]
    far = [slope.low > 1 + SLOPE_MARGIN or slope.high < 1 - SLOPE_MARGIN for slope in slopes]
    return "supported" if all(near) else "refuted" if all(far) else "mixed"


@claim(
    "power-of-two",
    "Powers of two and multiples of 32 are faster",
    test=f"Examples per second over the neighbours' geometric mean, more than {1 + ALIGNED_MARGIN}",
    effect="speed-up over the neighbours",
    figure="power_of_two",
    table="power_of_two",
)
def power_of_two(study: Study) -> Outcome:
    """Powers of two and multiples of 32 against their neighbours."""
    pairs = study.alignment
    speed_up = mean_speed_up(pairs) if len(pairs) else UNKNOWN
    if len(pairs) < 3:
        return untested("Fewer than three sizes were timed with both neighbours.", speed_up)
    kinds = [
        f"{kind} {mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f}, n = {mean.n})"
        for kind, mean in study.speed_ups.items()
    ]
    finding = f"Speed against both neighbours: {', '.join(kinds)}."
    verdict = interval_verdict(speed_up, 1 + ALIGNED_MARGIN, 1 + ALIGNED_MARGIN)
    return Outcome(verdict, speed_up, finding)


@claim(
    "accumulate",
    "Out of memory means a smaller batch size",
    test=f"The update of accumulated micro-batches equals that of the whole to {SAME_UPDATE:g}",
    effect="relative difference of the updates",
    figure="accumulate",
    table="accumulate",
)
def accumulate(study: Study) -> Outcome:
    """Micro-batches against the whole batch: the same update, what time, what memory."""
    table = study.of_first(study.accumulation)
    parts = table[table["micro_batches"] > 1]
    if parts.empty:
        return untested("No batch could be taken in parts.")
    worst = float(parts["update_difference"].max())
    most = parts.iloc[-1]
    finding = (
        f"Batch size {most['batch_size']:.0f} in {most['micro_batches']:.0f} parts takes "
        f"{most['relative_seconds']:.2f} times as long and {most['relative_bytes']:.2f} times "
        f"the memory; the update differs by {worst:.1g} of its length at most."
    )
    verdict = "refuted" if worst <= SAME_UPDATE else "mixed"
    return Outcome(verdict, Estimate(worst, np.nan, np.nan, len(parts)), finding)
