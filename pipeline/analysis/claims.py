"""The ledger of claims: what people say about batch size, tested on this study.

Each claim is one function of the evidence; LEDGER lists them all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis import descent, lines, rates, statistics
from pipeline.analysis import throughput as speed
from pipeline.analysis.critical import PERFECT, Critical
from pipeline.analysis.statistics import Estimate

VERDICTS = ("supported", "refuted", "mixed", "not tested")
ALIGNED_MARGIN = 0.02
"""A difference in speed below this is none."""
SLOPE_MARGIN = 0.1
"""A log-log slope this near to 1 counts as proportional."""
FLAT = 0.02
"""An exponent of throughput below this is no growth."""
SAME_UPDATE = 1e-3
TOP_SHARE = 8
"""Costs in proportion to the batch are looked for above the largest size over this."""


@dataclass(frozen=True)
class Evidence:
    """What the claims are tested on: the tables of the study's first variant."""

    variant: str
    throughput: pd.DataFrame
    tradeoff: pd.DataFrame
    critical: Critical | None
    windows: pd.DataFrame
    history: pd.DataFrame
    examples: int


@dataclass(frozen=True)
class Claim:
    """One line of the ledger; ``finding`` is the answer in words, from the numbers."""

    id: str
    claim: str
    test: str
    effect: str
    estimate: Estimate
    verdict: str
    finding: str
    figure: str
    table: str

    def __post_init__(self) -> None:
        assert self.verdict in VERDICTS


RULES = {"the linear rule": 1.0, "the square-root rule": 0.5}
KNOWN_END = np.array([-6.11e-10, 8.14e-10])
NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


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


def interval_verdict(effect: Estimate, above: float, below: float) -> str:
    """Supported where the interval lies above one bound, refuted where below the other."""
    if effect.low > above:
        return "supported"
    return "refuted" if effect.high < below else "mixed"


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
    """Supported where all are near 1, refuted where one is flat, otherwise mixed."""
    if all(abs(slope.value - 1) <= SLOPE_MARGIN for slope in slopes):
        return "supported"
    return "refuted" if any(slope.high <= FLAT for slope in slopes) else "mixed"


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


def constant_product(evidence: Evidence) -> Claim:
    """Examples to target against the batch size."""
    own = evidence.tradeoff[evidence.tradeoff["variant"] == evidence.variant]
    done = own.dropna(subset=["examples_to_target"])
    sizes, found = done["batch_size"], evidence.critical
    slope = lines.log_log_slope(sizes, done["examples_to_target"])
    verdict, finding = "not tested", "Fewer than three batch sizes reached the target."
    if found is not None and slope.n >= 3:
        edge = PERFECT * found.curve.critical
        verdict = "mixed" if (sizes <= edge).sum() >= 2 else "refuted"
        if slope.low <= 0 <= slope.high and abs(slope.value) <= SLOPE_MARGIN:
            verdict = "supported"
        growth = done["examples_to_target"].iloc[-1] / done["examples_to_target"].iloc[0]
        finding = (
            f"From batch size {sizes.iloc[0]} to {sizes.iloc[-1]} the examples to target grow "
            f"{growth:.1f} times, as B^{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f}); "
            f"the fitted curve keeps them within {PERFECT:.0%} of the least up to batch size "
            f"{edge:.0f}."
        )
    return Claim(
        "constant-product", "Batch size × steps to target is constant",
        f"Log-log slope of examples to target, within {SLOPE_MARGIN} of 0; range where they stay "
        f"within {PERFECT:.0%}", "exponent of examples to target", slope, verdict, finding,
        "critical", "critical",
    )  # fmt: skip


def lr_window(evidence: Evidence) -> Claim:
    """Batch sizes at which both too small and too large rates fail."""
    own = evidence.windows[evidence.windows["variant"] == evidence.variant]
    bounded = own[(own["too_small"] > 0) & (own["too_large"] > 0)]
    width = statistics.mean(own["decades"].tolist())
    verdict, finding = "not tested", "No batch size reached the target."
    if len(own):
        share = len(bounded) / len(own)
        verdict = "supported" if share == 1 else "mixed" if share > 0 else "refuted"
        narrow, wide = own["decades"].min(), own["decades"].max()
        finding = (
            f"At {len(bounded)} of {len(own)} batch sizes rates fail on both sides; the window "
            f"that reaches the target is {narrow:.1f} to {wide:.1f} powers of ten wide."
        )
    return Claim(
        "lr-window", "Too large a learning rate diverges, too small a one does not arrive",
        "Rates below and above the window of those that reach the target with most seeds",
        "mean width of the window in powers of ten", width, verdict, finding,
        "rates", "windows",
    )  # fmt: skip


def scaling_rule(evidence: Evidence) -> Claim:
    """The exponent of the best rate against the batch size."""
    slope, bend = rates.exponent(evidence.windows, evidence.variant)
    verdict, finding = (
        "not tested",
        "Fewer than three batch sizes have a best rate inside the grid and away from divergence.",
    )
    if slope.n >= 3:
        rules = [name for name, k in RULES.items() if slope.low <= k <= slope.high]
        verdict = "supported" if len(rules) == 1 and slope.low > 0 else "mixed"
        verdict = verdict if rules else "refuted"
        fits = " and ".join(rules) if rules else "neither the linear nor the square-root rule"
        flat = ", and no growth at all" if slope.low <= 0 <= slope.high else ""
        bent = f"; it bends at batch size {bend.at.value:.0f}" if bend else ""
        finding = (
            f"The best rate grows as B^{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f}, "
            f"n = {slope.n}){bent}: the interval holds {fits}{flat}."
        )
    return Claim(
        "scaling-rule", "Scale the learning rate linearly, or by the square root, with the batch",
        "Log-log slope of the fastest rate, refined by a parabola, against batch size; the "
        "interval holds 1 or 0.5", "exponent of the best rate", slope, verdict, finding,
        "rates", "windows",
    )  # fmt: skip


def epoch_steps(evidence: Evidence) -> Claim:
    """The steps that an epoch took in every recorded curve."""
    own = evidence.history[evidence.history["variant"] == evidence.variant]
    expected = evidence.examples // own["batch_size"]
    off = float((own["step"] / own["epoch"] / expected - 1).abs().max())
    sizes = sorted(set(own["batch_size"]))
    left = {size: evidence.examples % size for size in sizes}
    most = max(left, key=lambda size: left[size])
    return Claim(
        "epoch-steps", "One epoch is N / B steps",
        "Steps over epochs of every evaluation against N // B",
        "largest relative deviation", Estimate(off, np.nan, np.nan, len(own)),
        "supported" if off < 1e-9 else "refuted",
        f"An epoch of {evidence.examples:,} examples took N // B steps at all {len(sizes)} batch "
        f"sizes; the remainder waits for the next shuffle, {left[most]} examples at batch size "
        f"{most}.", "curves", "curves",
    )  # fmt: skip


def gradient_descent(_: Evidence) -> Claim:
    """The textbook's numbers."""
    ends = [example.path()[-1] for example in descent.EXAMPLES]
    good, large, small, saddle = ends
    off = float(np.abs(good / KNOWN_END - 1).max())
    fails = np.abs(large).max() > 1e6 and np.abs(small - (-3, 4)).max() < 1e-6
    holds = off < 1e-2 and fails and np.abs(saddle).max() < 1e-6
    return Claim(
        "gradient-descent",
        "x₀² + x₁² from (−3, 4) at rate 0.1 arrives in 100 steps; rates 10 and 1e-10 fail; a "
        "saddle holds what comes along its ridge",
        "Run with numerical gradients, central differences of 1e-4",
        "relative distance from the textbook's end", Estimate(off, np.nan, np.nan, 1),
        "supported" if holds else "refuted",
        f"Rate 0.1 ends at ({good[0]:.2e}, {good[1]:.2e}), rate 10 at ({large[0]:.1e}, "
        f"{large[1]:.1e}), rate 1e-10 at ({small[0]:.2f}, {small[1]:.2f}); on x₀² − x₁² from "
        f"(−3, 0) the descent stops at ({saddle[0]:.1e}, {saddle[1]:.0f}).",
        "descent", "descent",
    )  # fmt: skip


LEDGER: tuple[Callable[[Evidence], Claim], ...] = (
    larger_faster,
    memory_linear,
    power_of_two,
    accumulate,
    constant_product,
    lr_window,
    scaling_rule,
    epoch_steps,
    gradient_descent,
)


def ledger(evidence: Evidence) -> pd.DataFrame:
    """One row per claim."""
    rows = []
    for test in LEDGER:
        claim = test(evidence)
        found = claim.estimate
        rows.append(
            {
                "id": claim.id,
                "claim": claim.claim,
                "verdict": claim.verdict,
                "finding": claim.finding,
                "test": claim.test,
                "effect": claim.effect,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "n": found.n,
                "figure": claim.figure,
                "table": claim.table,
            }
        )
    return pd.DataFrame(rows)
