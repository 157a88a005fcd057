"""Claims about how many steps a batch size takes, and at which rate."""

import numpy as np

from pipeline.analysis import descent, lines, rates, statistics
from pipeline.analysis.claim import Claim, Evidence, share_verdict
from pipeline.analysis.claims_variants import rule_words
from pipeline.analysis.critical import PERFECT
from pipeline.analysis.statistics import Estimate

RULES = {"the linear rule": 1.0, "the square-root rule": 0.5}
RULE_MARGIN = 0.25
"""Half of what lies between the two rules."""
SLOPE_MARGIN = 0.1
"""A log-log slope this near to 0 counts as constant."""
KNOWN_END = np.array([-6.11e-10, 8.14e-10])


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
    bounded = (own["too_small"] > 0) & (own["too_large"] > 0)
    width = statistics.mean(own["decades"].tolist())
    verdict, finding = "not tested", "No batch size reached the target."
    if len(own):
        # a side on which nothing failed was not tried far enough: that refutes nothing
        verdict = share_verdict(bounded) if bounded.any() else "not tested"
        narrow, wide = own["decades"].min(), own["decades"].max()
        finding = (
            f"At {bounded.sum()} of {len(own)} batch sizes rates fail on both sides; the window "
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
        near = any(
            k - RULE_MARGIN <= slope.low and slope.high <= k + RULE_MARGIN for k in RULES.values()
        )
        verdict = "supported" if near else "mixed" if rules else "refuted"
        fits = " and ".join(rules) if rules else "neither the linear nor the square-root rule"
        flat = ", but also no growth at all" if slope.low <= 0 <= slope.high else ""
        bent = f"; it bends at batch size {bend.at.value:.0f}" if bend else ""
        finding = (
            f"The best rate grows as B^{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f}, "
            f"n = {slope.n}){bent}: the interval holds {fits}{flat}.{rule_words(evidence)}"
        )
    return Claim(
        "scaling-rule", "Scale the learning rate linearly, or by the square root, with the batch",
        "Log-log slope of the fastest rate, refined by a parabola, against batch size: supported "
        f"if its interval lies within {RULE_MARGIN} of 1 or 0.5, refuted if it holds neither",
        "exponent of the best rate", slope, verdict, finding,
        "rates", "windows",
    )  # fmt: skip


def epoch_steps(evidence: Evidence) -> Claim:
    """The steps that an epoch took in every recorded curve."""
    own = evidence.curves[evidence.curves["variant"] == evidence.variant]
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
