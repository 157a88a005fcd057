"""Claims about what else changes beside the batch size; each names the study that tests it."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from pipeline.analysis import lines, ranking, variants, weights
from pipeline.analysis.claims.claim import Outcome, Region, claim, judged, untested
from pipeline.analysis.study import Study
from pipeline.params.settings import Settings
from pipeline.selection import statistics
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import Estimate

FEWER = Region(0, 1, step=0.5, is_ratio=True)
LARGER = Region(1, np.inf, step=0.5, is_ratio=True)


def no_variants(study_name: str) -> Outcome:
    """What to run where a study has no such variants."""
    return untested(f"No variants to compare: `study={study_name}` has them.")


def each_batch_size(table: pd.DataFrame, variant: str) -> pd.DataFrame:
    """A variant's rows, each batch size once."""
    return rows_of(table, variant).drop_duplicates("batch_size")


def pairs_against(study: Study, key: str, reference_is: Callable[[Settings], bool]) -> list[str]:
    """The variants that differ in one key from the first reference of that kind, which comes
    first; none where there are no such pairs."""
    pairs = [
        (reference, variant)
        for reference, variant in variants.pairs(study.settings, key)
        if reference_is(study.settings[reference])
    ]
    if not pairs:
        return []
    base = pairs[0][0]
    return [base, *(variant for reference, variant in pairs if reference == base)]


def fewer_steps(study: Study, base: str, others: Sequence[str], finding: str) -> Outcome:
    """Whether all the others need fewer steps than the base: judged by the one that gains least."""
    ratios = [variants.overall(study.variants, base, name, "steps_ratio") for name in others]
    if any(ratio.n < 2 for ratio in ratios):
        return untested(f"At fewer than two batch sizes seeds of both arrive. {finding}")
    least = max(ratios, key=lambda ratio: ratio.high)
    return judged(least, FEWER, "batch sizes", finding)


@claim(
    "scaling-helps",
    "Scaled features take fewer steps",
    test="Ratio of steps to target, paired by seed, over the batch sizes, below 1 for every "
    "scaling",
    effect="steps to target over those without scaling, where scaling gains least",
    figure="variants",
    table="variants",
)
def scaling_helps(study: Study) -> Outcome:
    """Scaled against unscaled features."""
    names = pairs_against(study, "scaling", lambda settings: settings.scaling == "none")
    if not names:
        return no_variants("scaling")
    base, *others = names
    finding = f"Against {base}, {screening_words(study.variants, base)}: " + "; ".join(
        f"{name} takes {steps_words(study, base, name)}, {screening_words(study.variants, name)}"
        for name in others
    )
    return fewer_steps(study, base, others, f"{finding}.")


def steps_words(study: Study, base: str, variant: str) -> str:
    """A variant's steps beside those of the base."""
    return ratio_words(variants.overall(study.variants, base, variant, "steps_ratio"))


def lost(table: pd.DataFrame, variant: str) -> float:
    """The share of screened trainings that diverged, mean over batch sizes."""
    return float(each_batch_size(table, variant)["diverged_share"].mean())


def screening_words(table: pd.DataFrame, variant: str) -> str:
    """What became of a variant's grid of rates, on average over batch sizes."""
    usable = each_batch_size(table, variant)["usable_rates"].mean()
    return f"with {lost(table, variant):.0%} diverged and {usable:.1f} rates that reach the target"


def ratio_words(ratio: Estimate) -> str:
    """A ratio of steps with its interval."""
    if ratio.n < 2:
        return "steps that cannot be compared, as too few seeds of both arrive"
    return (
        f"{ratio.value:.2f} times the steps ({ratio.low:.2f} to {ratio.high:.2f}, n = {ratio.n} "
        "batch sizes)"
    )


def normalised(study: Study) -> list[str]:
    """The variants that differ in their normalisation alone, that without any first."""
    return pairs_against(study, "norm", lambda settings: settings.model.norm == "none")


@claim(
    "batch-norm-helps",
    "Batch norm allows larger rates",
    test="Largest rate at which no seed diverges over that without batch norm, over the batch "
    "sizes, above 1 for every normalisation",
    effect="ratio of the largest stable rates, where it gains least",
    figure="variants",
    table="variants",
)
def batch_norm_helps(study: Study) -> Outcome:
    """Batch norm against none: the largest stable rate."""
    names = normalised(study)
    if not names:
        return no_variants("batch_norm")
    ratios = {name: rate_ratio(study.variants, names[0], name) for name in names[1:]}
    finding = "; ".join(
        f"{name} stands {ratio.value:.2g} times the rate ({ratio.low:.2g} to {ratio.high:.2g}, "
        f"n = {ratio.n} batch sizes)"
        for name, ratio in ratios.items()
    )
    least = min(ratios.values(), key=lambda ratio: ratio.low)
    return judged(least, LARGER, "batch sizes", f"{finding[0].upper()}{finding[1:]}.")


@claim(
    "batch-norm-weights",
    "Batch norm keeps weights in check",
    test="Growth of the weights' length along the training over that without batch norm, over the "
    "batch sizes, below 1 for every normalisation",
    effect="ratio of the weights' growth, where it gains least",
    figure="variants",
    table="curves",
)
def batch_norm_weights(study: Study) -> Outcome:
    """Batch norm against none: growth of the weights."""
    names = normalised(study)
    if not names:
        return no_variants("batch_norm")
    growth = {
        name: np.exp(np.log(weights.growth(study.curves, name)).groupby("batch_size").mean())
        for name in names
    }
    base = growth.pop(names[0])
    ratios = {
        name: statistics.geometric_mean((grown / base).dropna().tolist())
        for name, grown in growth.items()
    }
    by_variant = [f"{name} {grown.median():.2f} times" for name, grown in growth.items()]
    finding = (
        f"Without it the weights' length grows {base.median():.2f} times (median over batch "
        f"sizes), with {'; '.join(by_variant)}."
    )
    least = max(ratios.values(), key=lambda ratio: ratio.high)
    return judged(least, FEWER, "batch sizes", finding)


def rate_ratio(table: pd.DataFrame, reference: str, variant: str) -> Estimate:
    """The largest stable rate over the reference's, over all batch sizes."""
    largest, base = (
        each_batch_size(table, name).set_index("batch_size")["largest_rate"]
        for name in (variant, reference)
    )
    return statistics.geometric_mean((largest / base).dropna().tolist())


@claim(
    "ramp-saves",
    "A batch that grows along the training saves time",
    test="Least seconds to target of batches that grow over the least of batches that stay, each "
    "side at its own best batch size and rate, below 1",
    effect="ratio of seconds to target",
    figure="tradeoff",
    table="tradeoff",
)
def ramp_saves(study: Study) -> Outcome:
    """A ramp against the best constant batch size (Smith et al. 2018; Merrill et al. 2025)."""
    names = pairs_against(study, "schedule", lambda settings: settings.schedule.name == "constant")
    growing = [name for name in names[1:] if study.settings[name].schedule.name == "growth"]
    if not growing:
        return no_variants("ramp")
    table = study.tradeoff
    rows, others = (
        table.index[table["variant"].isin(side)].tolist() for side in (growing, names[:1])
    )
    seeds = int(table.loc[rows, "seeds"].fillna(0).max())
    ratio = ranking.least(study.answer.drawn, rows, others, seeds)
    if ratio.n == 0:
        return untested("No batch size reaches the target on one of the sides.")
    ramp, constant = (
        table.loc[table.loc[side, "seconds_to_target"].idxmin()] for side in (rows, others)
    )
    finding = (
        f"From batch size {ramp['batch_size']} on {ramp['variant']} takes {ratio.value:.2f} times "
        f"the seconds ({ratio.low:.2f} to {ratio.high:.2f}) of {constant['variant']} at its best, "
        f"{constant['batch_size']}: {ramp['steps_to_target']:.0f} steps against "
        f"{constant['steps_to_target']:.0f}."
    )
    return judged(ratio, FEWER, "seeds", finding)


@claim(
    "optimizers",
    "Momentum and adaptive optimizers take fewer steps than plain SGD",
    test="Ratio of steps to target to plain SGD's, paired by seed, over the batch sizes, below 1 "
    "for every optimizer",
    effect="steps to target over plain SGD's, where an optimizer gains least",
    figure="variants",
    table="variants",
)
def optimizers(study: Study) -> Outcome:
    """Other optimizers against plain SGD."""
    names = pairs_against(study, "optimizer", is_plain)
    if not names:
        return no_variants("optimizers")
    base, *others = names
    by_variant = [
        f"{name} takes {steps_words(study, base, name)}{critical_words(study, name)}"
        for name in others
    ]
    finding = f"Against {base}{critical_words(study, base)}: {'; '.join(by_variant)}."
    return fewer_steps(study, base, others, finding)


@claim(
    "small-batch-optimizers",
    "Optimizers differ less at small batches",
    test="Slope of the size of the logarithm of the steps ratio to plain SGD, mean over "
    "optimizers, against the logarithm of the batch size, above 0",
    effect="change of the log ratio with the logarithm of the batch size",
    figure="variants",
    table="variants",
)
def small_batch_optimizers(study: Study) -> Outcome:
    """How far optimizers lie apart against the batch size (Marek et al. 2025)."""
    names = pairs_against(study, "optimizer", is_plain)
    if not names:
        return no_variants("optimizers")
    table = study.variants[study.variants["reference"] == names[0]]
    ratios = table[table["variant"].isin(names[1:])].dropna(subset=["steps_ratio"])
    apart = np.log(ratios["steps_ratio"]).abs().groupby(ratios["batch_size"]).mean()
    if len(apart) < 3:
        return untested("At fewer than three batch sizes seeds of both arrive.")
    slope = lines.log_log_slope(apart.index.to_list(), np.exp(apart).to_list())
    by_size = ", ".join(f"{np.exp(value):.2f} at {size}" for size, value in apart.items())
    finding = (
        f"Steps differ from plain SGD's by a factor of {by_size}; the logarithm changes by "
        f"{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f}) with that of the batch size."
    )
    return judged(slope, Region(0, np.inf, step=0.25), "batch sizes", finding)


def is_plain(settings: Settings) -> bool:
    """Whether a variant trains with SGD without momentum."""
    optimizer = settings.optimizer
    return optimizer.name == "sgd" and optimizer.momentum == 0


def critical_words(study: Study, variant: str) -> str:
    """A variant's critical batch size in brackets, where the batch sizes bracket it."""
    fit = study.fits.get(variant)
    if fit is None or fit.identified != "yes":
        return ""
    return f" [critical batch size {fit.curve.critical:.0f}]"
