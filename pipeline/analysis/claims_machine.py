"""Claims about what a batch costs the machine."""

import numpy as np

from pipeline.analysis import lines
from pipeline.analysis import throughput as speed
from pipeline.analysis.claim import NOTHING, Claim, Evidence, interval_verdict
from pipeline.analysis.statistics import Estimate

ALIGNED_MARGIN = 0.02
"""A difference in speed below this is none."""
SLOPE_MARGIN = 0.1
"""A log-log slope this near to 1 counts as proportional."""
FLAT = 0.02
"""An exponent of throughput below this is no growth."""
SAME_UPDATE = 1e-3
TOP_SHARE = 8
"""Costs in proportion to the batch are looked for above the largest size over this."""


def larger_faster(evidence: Evidence) -> Claim:
    """Throughput against batch size, before and after its bend."""
    timed = speed.whole_batches(evidence.throughput, evidence.variant)
    rates, sizes = timed["examples_per_second"], timed["batch_size"]
    bend = lines.bend(sizes, rates)
    slope = bend.before if bend else lines.log_log_slope(sizes, rates)
    verdict = interval_verdict(slope, FLAT, -FLAT)
    finding = f"No bend between batch size {sizes.min()} and {sizes.max()}."
    if bend is not None:
        if verdict == "supported" and bend.after.low <= FLAT:
            verdict = "mixed"
        at = bend.at
        finding = (
            f"Throughput bends at batch size {at.value:.0f} ({at.low:.0f} to {at.high:.0f}): below "
            f"it grows as B^{slope.value:.2f}, above as B^{bend.after.value:.2f}."
        )
    return Claim(
        "larger-faster", "A larger batch computes faster",
        f"Two lines through log examples per second by log batch size; slopes above {FLAT}",
        "exponent of throughput before the bend", slope, verdict, finding,
        "throughput", "throughput",
    )  # fmt: skip


def memory_linear(evidence: Evidence) -> Claim:
    """Peak memory and time per step in proportion to the batch size, for large batches."""
    timed = speed.whole_batches(evidence.throughput, evidence.variant)
    large = timed[timed["batch_size"] >= timed["batch_size"].max() / TOP_SHARE]
    weighed = large.dropna(subset=["peak_bytes"])
    memory = lines.log_log_slope(weighed["batch_size"], weighed["peak_bytes"])
    seconds = lines.log_log_slope(large["batch_size"], large["seconds_per_step"])
    verdict = proportion_verdict(memory, seconds)
    if memory.n < 3:
        verdict, finding = "not tested", "Fewer than three large batch sizes were weighed."
    else:
        rival = "is refuted" if memory.low > 0 else "is not refuted"
        finding = (
            f"From batch size {large['batch_size'].min()} on, memory grows as B^{memory.value:.2f} "
            f"({memory.low:.2f} to {memory.high:.2f}, n = {memory.n}) and time per step as "
            f"B^{seconds.value:.2f} ({seconds.low:.2f} to {seconds.high:.2f}, n = {seconds.n}). "
            f"The rival, that a larger batch needs less memory, {rival}."
        )
    return Claim(
        "memory-linear", "Compute and memory grow in proportion to the batch size",
        f"Log-log slopes over the largest {TOP_SHARE}-fold of sizes, within {SLOPE_MARGIN} of 1",
        "exponent of peak memory", memory, verdict, finding, "throughput", "throughput",
    )  # fmt: skip


def proportion_verdict(*slopes: Estimate) -> str:
    """Supported where all are near 1, refuted where no interval comes near it, otherwise mixed."""
    near = [abs(slope.value - 1) <= SLOPE_MARGIN for slope in slopes]
    far = [slope.low > 1 + SLOPE_MARGIN or slope.high < 1 - SLOPE_MARGIN for slope in slopes]
    return "supported" if all(near) else "refuted" if all(far) else "mixed"


def power_of_two(evidence: Evidence) -> Claim:
    """Powers of two and multiples of 32 against their neighbours."""
    timed = speed.whole_batches(evidence.throughput, evidence.variant)
    pairs = speed.alignment(timed)
    effect = speed.mean_speed_up(pairs) if len(pairs) else NOTHING
    verdict, finding = "not tested", "Fewer than three sizes were timed with both neighbours."
    if len(pairs) >= 3:
        verdict = interval_verdict(effect, 1 + ALIGNED_MARGIN, 1 + ALIGNED_MARGIN)
        kinds = [
            f"{kind} {found.value:.3f} ({found.low:.3f} to {found.high:.3f}, n = {found.n})"
            for kind, own in pairs.groupby("kind", sort=False)
            for found in [speed.mean_speed_up(own)]
        ]
        finding = f"Speed against both neighbours: {', '.join(kinds)}."
    return Claim(
        "power-of-two", "Powers of two and multiples of 32 are faster",
        f"Examples per second over the neighbours' geometric mean, more than {1 + ALIGNED_MARGIN}",
        "speed-up over the neighbours", effect, verdict, finding, "power_of_two", "power_of_two",
    )  # fmt: skip


def accumulate(evidence: Evidence) -> Claim:
    """Micro-batches against the whole batch: the same update, what time, what memory."""
    table = speed.accumulated(evidence.throughput)
    table = table[table["variant"] == evidence.variant]
    parts = table[table["micro_batches"] > 1]
    verdict, finding, effect = "not tested", "No batch could be taken in parts.", NOTHING
    if len(parts):
        worst = float(parts["update_difference"].max())
        effect = Estimate(worst, np.nan, np.nan, len(parts))
        verdict = "refuted" if worst <= SAME_UPDATE else "mixed"
        most = parts.iloc[-1]
        finding = (
            f"Batch size {most['batch_size']:.0f} in {most['micro_batches']:.0f} parts takes "
            f"{most['relative_seconds']:.2f} times as long and {most['relative_bytes']:.2f} times "
            f"the memory; the update differs by {worst:.1g} of its length at most."
        )
    return Claim(
        "accumulate", "Out of memory means a smaller batch size",
        f"The update of accumulated micro-batches equals that of the whole to {SAME_UPDATE:g}",
        "relative difference of the updates", effect, verdict, finding,
        "accumulate", "accumulate",
    )  # fmt: skip
