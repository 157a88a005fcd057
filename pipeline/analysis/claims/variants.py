"""Claims about what else changes beside the batch size; each names the study that tests it."""

import pandas as pd

from pipeline.analysis import variants, weights
from pipeline.analysis.claims.claim import Outcome, claim, share_verdict, untested
from pipeline.analysis.study import Study
from pipeline.selection import statistics
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import Estimate


def no_variants(study_name: str) -> Outcome:
    """What to run where a study has no such variants."""
    return untested(f"No variants to compare: `study={study_name}` has them.")


def each_batch_size(table: pd.DataFrame, variant: str) -> pd.DataFrame:
    """A variant's rows, each batch size once."""
    return rows_of(table, variant).drop_duplicates("batch_size")


@claim(
    "scaling-helps",
    "Scaled features train faster and more stably",
    test="Ratio of steps to target, paired by seed, below 1 over the batch sizes, and no more "
    "diverged trainings",
    effect="steps to target over those without scaling",
    figure="variants",
    table="variants",
)
def scaling_helps(study: Study) -> Outcome:
    """Scaled against unscaled features."""
    pairs = [
        (reference, variant)
        for reference, variant in variants.pairs(study.settings, "scaling")
        if study.settings[reference].scaling == "none"
    ]
    if not pairs:
        return no_variants("scaling")
    table = study.variants
    ratios = {name: variants.overall(table, base, name, "steps_ratio") for base, name in pairs}
    helps = [
        is_faster(table, base, name) and lost(table, name) <= lost(table, base)
        for base, name in pairs
    ]
    by_variant = [
        f"{name} takes {ratio_words(ratio)}, {screening_words(table, name)}"
        for name, ratio in ratios.items()
    ]
    base = pairs[0][0]
    finding = f"Against {base}, {screening_words(table, base)}: {'; '.join(by_variant)}."
    return Outcome(share_verdict(helps), next(iter(ratios.values())), finding)


def is_faster(table: pd.DataFrame, reference: str, variant: str) -> bool:
    """Whether the steps are fewer, or, with too few pairs to tell, more seeds arrive."""
    ratio = variants.overall(table, reference, variant, "steps_ratio")
    if ratio.n >= 2:
        return ratio.high < 1
    rows = rows_of(table[table["reference"] == reference], variant)
    return bool(rows["arrived"].sum() > rows["reference_arrived"].sum())


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


@claim(
    "batch-norm-helps",
    "Batch norm keeps weights in check and allows larger rates",
    test="Largest rate at which no seed diverges, over that without batch norm, above 1, and less "
    "growth of the weights along the training",
    effect="ratio of the largest stable rates",
    figure="variants",
    table="variants",
)
def batch_norm_helps(study: Study) -> Outcome:
    """Batch norm against none: growth of the weights, and the largest stable rate."""
    pairs = [
        (reference, variant)
        for reference, variant in variants.pairs(study.settings, "norm")
        if study.settings[reference].model.norm == "none"
    ]
    if not pairs:
        return no_variants("batch_norm")
    base = pairs[0][0]
    rates = {name: rate_ratio(study.variants, reference, name) for reference, name in pairs}
    growth = {name: float(weights.growth(study.curves, name).median()) for name in [base, *rates]}
    helps = [ratio.value > 1 and growth[name] < growth[base] for name, ratio in rates.items()]
    by_variant = [
        f"{name} stands {ratio.value:.2g} times the rate and its weights grow "
        f"{growth[name]:.2f} times"
        for name, ratio in rates.items()
    ]
    finding = (
        f"Without it the weights' length grows {growth[base]:.2f} times (median over "
        f"batch sizes and seeds); {'; '.join(by_variant)}."
    )
    return Outcome(share_verdict(helps), next(iter(rates.values())), finding)


def rate_ratio(table: pd.DataFrame, reference: str, variant: str) -> Estimate:
    """The largest stable rate over the reference's, over all batch sizes."""
    largest, base = (
        each_batch_size(table, name).set_index("batch_size")["largest_rate"]
        for name in (variant, reference)
    )
    return statistics.geometric_mean((largest / base).dropna().tolist())


@claim(
    "optimizers",
    "Momentum, Adagrad and Adam change the picture",
    test="Ratio of steps to target to plain SGD's, paired by seed, other than 1 over the batch "
    "sizes; critical batch sizes beside",
    effect="least ratio of steps to target",
    figure="variants",
    table="variants",
)
def optimizers(study: Study) -> Outcome:
    """Other optimizers against plain SGD."""
    pairs = [
        (reference, variant)
        for reference, variant in variants.pairs(study.settings, "optimizer")
        if is_plain(study, reference)
    ]
    if not pairs:
        return no_variants("optimizers")
    table = study.variants
    ratios = {name: variants.overall(table, base, name, "steps_ratio") for base, name in pairs}
    changes = [is_faster(table, base, name) or is_faster(table, name, base) for base, name in pairs]
    by_variant = [
        f"{name} takes {ratio_words(ratio)}{critical_words(study, name)}"
        for name, ratio in ratios.items()
    ]
    base = pairs[0][0]
    finding = f"Against {base}{critical_words(study, base)}: {'; '.join(by_variant)}."
    least = min(ratios.values(), key=lambda ratio: ratio.value)
    return Outcome(share_verdict(changes), least, finding)


def is_plain(study: Study, variant: str) -> bool:
    """Whether a variant trains with SGD without momentum."""
    optimizer = study.settings[variant].optimizer
    return optimizer.name == "sgd" and optimizer.momentum == 0


def critical_words(study: Study, variant: str) -> str:
    """A variant's critical batch size in brackets, where the batch sizes bracket it."""
    fit = study.fits.get(variant)
    if fit is None or fit.identified != "yes":
        return ""
    return f" [critical batch size {fit.curve.critical:.0f}]"
