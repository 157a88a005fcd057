"""Claims about what a batch costs the machine."""

import numpy as np

from pipeline.analysis import timings
from pipeline.analysis.claims.claim import Outcome, Region, claim, judged, measured, untested
from pipeline.analysis.study import Study

FASTER = Region(1.02, np.inf, step=0.5, is_ratio=True)
PROPORTION = Region(0.9, 1.1, step=0.2)
ALIGNED = Region(1 + timings.ALIGNED_MARGIN, np.inf, step=0.02, is_ratio=True)
LINEAR = 0.05
"""Peaks within this of a straight line lie on it."""
SMALL_OVERHEAD = 0.1
SAME_UPDATE = 1e-3


@claim(
    "larger-faster",
    "A larger batch computes more examples a second",
    test="Examples per second at the largest size timed over those at the smallest, beyond 1.02",
    effect="ratio of examples per second",
    figure="throughput",
    table="throughput",
)
def larger_faster(study: Study) -> Outcome:
    """Speed at the largest against speed at the smallest size."""
    sizes = study.timed["batch_size"]
    if len(sizes) < 2:
        return untested("Fewer than two sizes were timed.")
    gain = timings.gain(study.timed)
    law = study.step_law
    most = f"; 80 % of the greatest speed are reached at {law.saturates(0.8):.0f}" if law else ""
    finding = (
        f"From batch size {sizes.min()} to {sizes.max()} examples per second grow {gain.value:.3g} "
        f"times ({gain.low:.3g} to {gain.high:.3g}){most}."
    )
    return judged(gain, FASTER, "timings", finding)


@claim(
    "compute-linear",
    "The time of a step grows in proportion to the batch",
    test="Exponent of the seconds of a step from the smallest to the largest size timed, within "
    "0.1 of 1",
    effect="exponent of seconds per step",
    figure="throughput",
    table="throughput",
)
def compute_linear(study: Study) -> Outcome:
    """Seconds per step against proportion."""
    sizes = study.timed["batch_size"]
    if len(sizes) < 2:
        return untested("Fewer than two sizes were timed.")
    exponent = timings.elasticity(study.timed)
    finding = (
        f"From batch size {sizes.min()} to {sizes.max()} the seconds of a step grow as "
        f"B^{exponent.value:.2f} ({exponent.low:.2f} to {exponent.high:.2f}).{law_words(study)}"
    )
    return judged(exponent, PROPORTION, "timings", finding)


def law_words(study: Study) -> str:
    """The affine law of a step, and from where on its overhead is small."""
    law = study.step_law
    if law is None:
        return ""
    most = study.timed["batch_size"].max()
    share = law.ratio.value / (law.ratio.value + most)
    return (
        f" A step takes {1e6 * law.start:.3g} µs and {1e6 * law.slope:.3g} µs an example: the "
        f"overhead is {share:.0%} of it at {most}, and below {SMALL_OVERHEAD:.0%} only beyond "
        f"{law.saturates(1 - SMALL_OVERHEAD):.0f}."
    )


@claim(
    "memory-linear",
    "Memory grows linearly with the batch",
    test=f"Peak memory above its floor within {LINEAR:.0%} of a straight line in the batch size",
    effect="largest relative distance from the line",
    figure="throughput",
    table="throughput",
)
def memory_linear(study: Study) -> Outcome:
    """Peak memory against a straight line."""
    law = study.memory_law
    if law is None:
        return untested("Fewer than three batch sizes take more than the least memory.")
    finding = (
        f"The peak is the larger of {law.floor / 1024:,.0f} KiB and {law.start / 1024:,.0f} KiB + "
        f"{law.per_example / 1024:.3g} KiB an example, to {law.off:.1%}."
    )
    return measured(law.off, law.n, law.off <= LINEAR and law.per_example > 0, finding)


@claim(
    "memory-lower",
    "A larger batch needs less memory",
    test="Peak memory at the largest size weighed over that at the smallest, below 1",
    effect="ratio of peak memory",
    figure="throughput",
    table="throughput",
)
def memory_lower(study: Study) -> Outcome:
    """Peak memory at the ends of the sizes."""
    weighed = study.timed.dropna(subset=["peak_bytes"])
    if len(weighed) < 2:
        return untested("Fewer than two sizes were weighed.")
    ratio = float(weighed["peak_bytes"].iloc[-1] / weighed["peak_bytes"].iloc[0])
    finding = (
        f"Batch size {weighed['batch_size'].iloc[-1]} takes {ratio:.3g} times the memory of "
        f"{weighed['batch_size'].iloc[0]}."
    )
    return measured(ratio, len(weighed), ratio < 1, finding)


def aligned(study: Study, kind: str) -> Outcome:
    """Aligned sizes of one kind against their two neighbours."""
    speed_up = study.speed_ups.get(kind)
    if speed_up is None or speed_up.n < 3:
        return untested("Fewer than three such sizes were timed with both neighbours.")
    finding = (
        f"{kind.capitalize()} compute {speed_up.value:.3f} times as many examples a second as "
        f"their neighbours ({speed_up.low:.3f} to {speed_up.high:.3f}, n = {speed_up.n} sizes)."
    )
    return judged(speed_up, ALIGNED, "sizes or as many times the blocks", finding)


@claim(
    "power-of-two",
    "Powers of two are faster",
    test="Examples per second over the geometric mean of both neighbours', beyond 1.02",
    effect="speed-up over the neighbours",
    figure="power_of_two",
    table="power_of_two",
)
def power_of_two(study: Study) -> Outcome:
    """Powers of two against their neighbours."""
    return aligned(study, "powers of two")


@claim(
    "multiple-of-32",
    "Multiples of 32 are faster",
    test="Examples per second over the geometric mean of both neighbours', beyond 1.02",
    effect="speed-up over the neighbours",
    figure="power_of_two",
    table="power_of_two",
)
def multiple_of_32(study: Study) -> Outcome:
    """Multiples of 32 that are no powers of two against their neighbours."""
    return aligned(study, "multiples of 32")


@claim(
    "accumulate",
    "Out of memory means a smaller batch size",
    test="The update of accumulated micro-batches differs from that of the whole by more than "
    f"{SAME_UPDATE:g}",
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
    return measured(worst, len(parts), worst > SAME_UPDATE, finding)
