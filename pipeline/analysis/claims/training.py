"""Claims about how many steps a batch size takes, and at which rate."""

import numpy as np
import pandas as pd

from pipeline.analysis import descent, variants
from pipeline.analysis.claims.claim import (
    Outcome,
    Region,
    claim,
    exponent_words,
    judged,
    measured,
    untested,
    untested_of_raced,
)
from pipeline.analysis.critical import OVERHEAD
from pipeline.analysis.study import Study
from pipeline.selection import statistics
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import Estimate

RULE_MARGIN = 0.25
"""Half of what lies between the two rules."""
THRIFTY = Region(0, OVERHEAD, step=0.5, is_ratio=True)
GOOD_RATE = 1.25
"""A rate at which the target takes at most so many times the steps is as good as the best."""
KNOWN_END = np.array([-6.11e-10, 8.14e-10])


@claim(
    "constant-product",
    "Batch size × steps to target is constant",
    test=f"Examples to target at each batch size over the least, within {OVERHEAD:g} at all of "
    "them; multiple comparisons with the best",
    effect="most examples to target over the least",
    figure="critical",
    table="overheads",
)
def constant_product(study: Study) -> Outcome:
    """Examples to target of every batch size against the thriftiest one's."""
    table = study.overheads
    if len(table) < 3:
        return untested(
            "Fewer than three batch sizes reached the target with a best rate inside the grid."
        )
    worst = table.loc[table["overhead"].idxmax()]
    effect = Estimate(worst["overhead"], worst["overhead_low"], worst["overhead_high"], len(table))
    beyond = table.loc[table["scaling"] == "beyond", "batch_size"]
    finding = (
        f"Batch size {worst['batch_size']:.0f} needs {effect.value:.3g} times the examples of the "
        f"thriftiest ({effect.low:.3g} to {effect.high:.3g}); {reach_of_law(table)}."
    )
    if len(beyond):
        return Outcome("refuted", effect, finding, region=THRIFTY)
    if (table["scaling"] == "within").all():
        return Outcome("supported", effect, finding, region=THRIFTY)
    return Outcome("undecided", effect, finding, THRIFTY.needed(effect, "batch sizes"), THRIFTY)


def reach_of_law(table: pd.DataFrame) -> str:
    """Up to which batch size none is shown to need more than OVERHEAD times the least."""
    beyond = table.loc[table["scaling"] == "beyond", "batch_size"]
    sizes = table["batch_size"]
    inside = sizes[sizes < beyond.min()] if len(beyond) else sizes
    if inside.empty:
        return f"every batch size is shown to need more than {OVERHEAD:g} times as many"
    return f"up to {inside.max():.0f} none is shown to need more than {OVERHEAD:g} times as many"


@claim(
    "local-critical",
    "The critical batch size grows along the training",
    test="Branches of larger batches that leave the smallest one's training on its way to the "
    "target and see the same examples, each at its best rate; the largest batch whose loss falls "
    f"by 1 / {OVERHEAD:g} of the most, against the step at which it left, jackknifed over seeds; "
    "exponent above 0",
    effect="exponent of the local critical batch size against the step",
    figure="local_critical",
    table="local_critical",
)
def local_critical(study: Study) -> Outcome:
    """Branched training (Merrill et al. 2025) against the growth that McCandlish et al. 2018 saw in
    the gradient's noise."""
    table, growth = study.local_critical, study.local_critical_growth
    if not np.isfinite(growth.value):
        return untested(
            "No three moments to branch from: the trainings are too short, they diverged or learnt "
            "nothing, or the network cannot train as lanes."
        )
    first, last = table.iloc[0], table.iloc[-1]
    most = "at least " if last["is_largest"] else ""
    finding = (
        f"From {first['critical']:.0f} after {first['step']} steps to {most}{last['critical']:.0f} "
        f"after {last['step']}: as step^{growth.value:.2f} ({growth.low:.2f} to {growth.high:.2f}, "
        f"n = {growth.n} seeds)."
    )
    return judged(growth, Region(0, np.inf, step=0.5), "seeds", finding)


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
    raced = untested_of_raced(study)
    if raced:
        return raced
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
    if bounded.all():
        return Outcome("supported", width, finding)
    open_at = ", ".join(str(size) for size in windows.loc[~bounded, "batch_size"])
    return Outcome("undecided", width, finding, f"a wider grid of rates at batch size {open_at}")


def scaling_rule(study: Study, exponent: float, rule: str) -> Outcome:
    """The exponent of the best rate, below the critical batch size where that is known, against
    that of a rule."""
    surface = study.rate_surface
    where, effect = "below the critical batch size", surface.below
    if effect.n == 0:
        where, effect = "over all batch sizes", surface.whole
    if effect.n == 0 or not np.isfinite(effect.value):
        return untested("Too few rates reach the target around the best one for a curve.", effect)
    above = ""
    if surface.above.n and effect is surface.below:
        above = f", beyond it as B^{exponent_words(surface.above)}"
    finding = (
        f"The best rate grows {where} as B^{exponent_words(effect)}{above}."
        f"{rule_words(study, rule)}"
    )
    region = Region(exponent - RULE_MARGIN, exponent + RULE_MARGIN, step=RULE_MARGIN)
    outcome = judged(effect, region, "batch sizes", finding)
    if outcome.verdict == "undecided" and (effect.high < exponent or exponent < effect.low):
        return Outcome("refuted", effect, finding, region=region)
    return outcome


@claim(
    "scale-linear",
    "Scale the learning rate linearly with the batch",
    test=f"Exponent of the best rate, from one surface through all screened trainings, jackknifed "
    f"over batch sizes: within {RULE_MARGIN} of 1; refuted, too, where its interval leaves out 1",
    effect="exponent of the best rate",
    figure="rates",
    table="rate_exponents",
)
def scale_linear(study: Study) -> Outcome:
    """The linear rule (Goyal et al. 2017)."""
    return scaling_rule(study, 1.0, "linear")


@claim(
    "scale-sqrt",
    "Scale the learning rate by the square root of the batch",
    test=f"Exponent of the best rate, from one surface through all screened trainings, jackknifed "
    f"over batch sizes: within {RULE_MARGIN} of 0.5; refuted, too, where its interval leaves out "
    "0.5",
    effect="exponent of the best rate",
    figure="rates",
    table="rate_exponents",
)
def scale_sqrt(study: Study) -> Outcome:
    """The square-root rule (Krizhevsky 2014; Malladi et al. 2022 for Adam)."""
    return scaling_rule(study, 0.5, "sqrt")


def lr_finder(study: Study, finder: str, more: str = "") -> Outcome:
    """What a finder's suggestion costs at every batch size; more: a sentence to add."""
    raced = untested_of_raced(study)
    if raced:
        return raced
    chosen = study.finder_choices
    chosen = chosen[chosen["finder"] == finder]
    if len(chosen) < 2:
        return untested("At fewer than two batch sizes does the finder suggest a rate.")
    is_good = ~chosen["missed"] & (chosen["steps_ratio"] <= GOOD_RATE)
    good, lost = (listed(chosen.loc[rows, "batch_size"]) for rows in (is_good, chosen["missed"]))
    apart = np.exp(np.log(chosen["suggested_lr"] / chosen["best_lr"]).mean())
    finding = (
        f"Its rate is {apart:.2g} times the best one on average. The target takes at most "
        f"{GOOD_RATE:g} times the steps at {good}, and is missed at {lost}.{more}"
    )
    return measured(float(is_good.mean()), len(chosen), bool(is_good.all()), finding)


def listed(sizes: "pd.Series[int]") -> str:
    """Batch sizes in words."""
    return f"batch size {', '.join(map(str, sizes))}" if len(sizes) else "no batch size"


FINDER_TEST = (
    "Steps to the target at the suggested rate, median over the screening seeds, over those at the "
    f"best screened rate: at most {GOOD_RATE:g} times at every batch size"
)


@claim(
    "lr-finder-steepest",
    "A range test's steepest descent is a good rate (Lightning before 2.5.3)",
    test=FINDER_TEST,
    effect="share of batch sizes at which it is",
    figure="rates",
    table="rate_finders",
)
def lr_finder_steepest(study: Study) -> Outcome:
    """The rate at which the loss falls fastest."""
    chosen = study.finder_choices
    later = chosen.loc[chosen["finder"] == "lightning 2.5.3", "suggested_lr"]
    more = f" Since 2.5.3 the library suggests {later.median():.2g}." if len(later) else ""
    return lr_finder(study, "lightning", more)


@claim(
    "lr-finder-valley",
    "A range test's longest valley is a good rate (fastai)",
    test=FINDER_TEST,
    effect="share of batch sizes at which it is",
    figure="rates",
    table="rate_finders",
)
def lr_finder_valley(study: Study) -> Outcome:
    """The middle of the longest valley (``lr_find`` of fastai)."""
    return lr_finder(study, "fastai")


def rule_words(study: Study, rule: str) -> str:
    """Up to which batch size rates scaled by a rule, without tuning, arrive at the target."""
    first, settings = study.frame.first, study.settings
    ruled = [
        variant
        for reference, variant in variants.pairs(settings, "schedule")
        if reference == first and settings[variant].schedule.batch_rule == rule
    ]
    if study.is_outside:
        return ""
    if not ruled or settings[first].schedule.batch_rule != "none":
        return " `study=large_batch` tries the rule."
    against = study.variants[study.variants["reference"] == first]
    by_rule = [f"{name} {reach_words(rows_of(against, name))}" for name in ruled]
    tuned = against.loc[against["reference_arrived"] > 0, "batch_size"].max()
    return (
        f" With rates by the rule seeds reach the target: {'; '.join(by_rule)}; with rates tuned "
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
    kind="check",
)
def epoch_steps(study: Study) -> Outcome:
    """The steps that an epoch took in every recorded curve."""
    if study.is_outside:
        return untested("How a program counts its epochs is its own.")
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
    return measured(off, len(curves), off < 1e-9, finding)


@claim(
    "gradient-descent",
    "x₀² + x₁² from (−3, 4) at rate 0.1 arrives in 100 steps; rates 10 and 1e-10 fail; a "
    "saddle holds what comes along its ridge",
    test="Run with numerical gradients, central differences of 1e-4",
    effect="relative distance from the textbook's end",
    figure="descent",
    table="descent",
    kind="check",
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
    return measured(off, 1, holds, finding)
