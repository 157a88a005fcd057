"""Claims about how many steps a batch size takes, and at which rate."""

import numpy as np
import pandas as pd

from pipeline.analysis import descent, lines, variants
from pipeline.analysis.claims.claim import Outcome, claim, share_verdict, untested
from pipeline.analysis.critical import OVERHEAD
from pipeline.analysis.study import Study
from pipeline.selection import statistics
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import Estimate

RULES = {"the linear rule": 1.0, "the square-root rule": 0.5}
RULE_MARGIN = 0.25
"""Half of what lies between the two rules."""
SLOPE_MARGIN = 0.1
"""A log-log slope this near to 0 counts as constant."""
KNOWN_END = np.array([-6.11e-10, 8.14e-10])


@claim(
    "constant-product",
    "Batch size × steps to target is constant",
    test=f"Log-log slope of examples to target, within {SLOPE_MARGIN} of 0; range where they stay "
    f"within {OVERHEAD - 1:.0%} of the least",
    effect="exponent of examples to target",
    figure="critical",
    table="critical",
)
def constant_product(study: Study) -> Outcome:
    """Examples to target against the batch size."""
    done = study.of_first(study.tradeoff).dropna(subset=["examples_to_target"])
    sizes, examples = done["batch_size"], done["examples_to_target"]
    slope = lines.log_log_slope(sizes, examples)
    if study.critical is None or slope.n < 3:
        return untested("Fewer than three batch sizes reached the target.", slope)
    scaling = study.overheads.set_index("batch_size")["scaling"]
    beyond = sorted(scaling.index[scaling == "beyond"])
    edge = sizes[sizes < beyond[0]].max() if beyond else sizes.max()
    verdict = "mixed" if (sizes <= edge).sum() >= 2 else "refuted"
    if slope.low <= 0 <= slope.high and abs(slope.value) <= SLOPE_MARGIN:
        verdict = "supported"
    growth = examples.iloc[-1] / examples.iloc[0]
    finding = (
        f"From batch size {sizes.iloc[0]} to {sizes.iloc[-1]} the examples to target grow "
        f"{growth:.1f} times, as B^{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f}); "
        f"up to batch size {edge:.0f} they are not shown to lie more than {OVERHEAD - 1:.0%} above "
        "the least."
    )
    return Outcome(verdict, slope, finding)


@claim(
    "lr-window",
    "Too large a learning rate diverges, too small a one does not arrive",
    test="Rates below and above the window of those that reach the target with most seeds",
    effect="mean width of the window in powers of ten",
    figure="rates",
    table="windows",
)
def lr_window(study: Study) -> Outcome:
    """Batch sizes at which both too small and too large rates fail."""
    windows = study.of_first(study.windows)
    if windows.empty:
        return untested("No batch size reached the target.")
    bounded = (windows["too_small"] > 0) & (windows["too_large"] > 0)
    width = statistics.mean(windows["decades"].tolist())
    narrow, wide = windows["decades"].min(), windows["decades"].max()
    finding = (
        f"At {bounded.sum()} of {len(windows)} batch sizes rates fail on both sides; the window "
        f"that reaches the target is {narrow:.1f} to {wide:.1f} powers of ten wide."
    )
    if not bounded.any():  # a side on which nothing failed was not tried far enough
        return untested(finding, width)
    return Outcome(share_verdict(bounded), width, finding)


@claim(
    "scaling-rule",
    "Scale the learning rate linearly, or by the square root, with the batch",
    test="Log-log slope of the fastest rate, refined by a parabola, against batch size: supported "
    f"if its interval lies within {RULE_MARGIN} of 1 or 0.5, refuted if it holds neither",
    effect="exponent of the best rate",
    figure="rates",
    table="windows",
)
def scaling_rule(study: Study) -> Outcome:
    """The exponent of the best rate against the batch size."""
    slope, bend = study.rate_exponent, study.rate_bend
    if slope.n < 3:
        where = "inside the grid and away from divergence"
        return untested(f"Fewer than three batch sizes have a best rate {where}.", slope)
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
        f"n = {slope.n}){bent}: the interval holds {fits}{flat}.{rule_words(study)}"
    )
    return Outcome(verdict, slope, finding)


def rule_words(study: Study) -> str:
    """Up to which batch size rates scaled by a rule, without tuning, arrive at the target."""
    first, settings = study.frame.first, study.settings
    ruled = [
        variant
        for reference, variant in variants.pairs(settings, "schedule")
        if reference == first and settings[variant].schedule.batch_rule != "none"
    ]
    if not ruled or settings[first].schedule.batch_rule != "none":
        return " `study=large_batch` tries the rules."
    against = study.variants[study.variants["reference"] == first]
    by_rule = [f"{name} {reach_words(rows_of(against, name))}" for name in ruled]
    tuned = against.loc[against["reference_arrived"] > 0, "batch_size"].max()
    return (
        f" With rates by a rule seeds reach the target: {'; '.join(by_rule)}; with rates tuned "
        f"anew up to {tuned:.0f}."
    )


def reach_words(table: pd.DataFrame) -> str:
    """The largest batch size at which a seed reaches the target, and the steps it takes there."""
    arrived = table[table["arrived"] > 0]
    if arrived.empty:
        return "at no batch size"
    largest = arrived.loc[arrived["batch_size"].idxmax()]
    steps = f" in {largest['steps_ratio']:.2f} times the steps" if largest["pairs"] else ""
    return f"up to batch size {largest['batch_size']:.0f}{steps}"


@claim(
    "epoch-steps",
    "One epoch is N / B steps",
    test="Steps over epochs of every evaluation against N // B",
    effect="largest relative deviation",
    figure="curves",
    table="curves",
)
def epoch_steps(study: Study) -> Outcome:
    """The steps that an epoch took in every recorded curve."""
    curves, examples = study.of_first(study.curves), study.frame.examples
    expected = examples // curves["batch_size"]
    off = float((curves["step"] / curves["epoch"] / expected - 1).abs().max())
    sizes = sorted(set(curves["batch_size"]))
    left = {size: examples % size for size in sizes}
    most = max(left, key=lambda size: left[size])
    finding = (
        f"An epoch of {examples:,} examples took N // B steps at all {len(sizes)} batch "
        f"sizes; the remainder waits for the next shuffle, {left[most]} examples at batch size "
        f"{most}."
    )
    verdict = "supported" if off < 1e-9 else "refuted"
    return Outcome(verdict, Estimate(off, np.nan, np.nan, len(curves)), finding)


@claim(
    "gradient-descent",
    "x₀² + x₁² from (−3, 4) at rate 0.1 arrives in 100 steps; rates 10 and 1e-10 fail; a "
    "saddle holds what comes along its ridge",
    test="Run with numerical gradients, central differences of 1e-4",
    effect="relative distance from the textbook's end",
    figure="descent",
    table="descent",
)
def gradient_descent(_: Study) -> Outcome:
    """The textbook's numbers."""
    good, large, small, saddle = (example.path()[-1] for example in descent.EXAMPLES)
    off = float(np.abs(good / KNOWN_END - 1).max())
    fails = np.abs(large).max() > 1e6 and np.abs(small - (-3, 4)).max() < 1e-6
    holds = off < 1e-2 and fails and np.abs(saddle).max() < 1e-6
    finding = (
        f"Rate 0.1 ends at ({good[0]:.2e}, {good[1]:.2e}), rate 10 at ({large[0]:.1e}, "
        f"{large[1]:.1e}), rate 1e-10 at ({small[0]:.2f}, {small[1]:.2f}); on x₀² − x₁² from "
        f"(−3, 0) the descent stops at ({saddle[0]:.1e}, {saddle[1]:.0f})."
    )
    verdict = "supported" if holds else "refuted"
    return Outcome(verdict, Estimate(off, np.nan, np.nan, 1), finding)
