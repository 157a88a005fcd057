"""Claims about what else changes beside the batch size; each names the study that tests it."""

import pandas as pd

from pipeline.analysis import statistics, variants, weights
from pipeline.analysis.claim import NOTHING, Claim, Evidence, share_verdict
from pipeline.analysis.statistics import Estimate


def rule_words(evidence: Evidence) -> str:
    """Up to which batch size rates scaled by a rule, without tuning, arrive at the target."""
    first, table = evidence.variant, evidence.variants
    ruled = [
        variant
        for reference, variant in variants.pairs(evidence.settings, "schedule")
        if reference == first and evidence.settings[variant].schedule.batch_rule != "none"
    ]
    if not ruled or evidence.settings[first].schedule.batch_rule != "none":
        return " `study=large_batch` tries the rules."
    against = table[table["reference"] == first]
    said = [f"{name} {reach_words(against[against['variant'] == name])}" for name in ruled]
    tuned = against.loc[against["reference_arrived"] > 0, "batch_size"].max()
    return (
        f" With rates by a rule seeds reach the target: {'; '.join(said)}; with rates tuned anew "
        f"up to {tuned:.0f}."
    )


def reach_words(table: pd.DataFrame) -> str:
    """The largest batch size at which a seed reaches the target, and the steps it takes there."""
    arrived = table[table["arrived"] > 0]
    if arrived.empty:
        return "at no batch size"
    last = arrived.loc[arrived["batch_size"].idxmax()]
    steps = f" in {last['steps_ratio']:.2f} times the steps" if last["pairs"] else ""
    return f"up to batch size {last['batch_size']:.0f}{steps}"


def untested(study: str) -> str:
    """What to run where a study has no such variants."""
    return f"No variants to compare: `study={study}` has them."


def row_of(table: pd.DataFrame, variant: str) -> pd.DataFrame:
    """A variant's rows, each batch size once."""
    return table[table["variant"] == variant].drop_duplicates("batch_size")


def scaling_helps(evidence: Evidence) -> Claim:
    """Scaled against unscaled features."""
    table, verdict, effect, finding = evidence.variants, "not tested", NOTHING, untested("scaling")
    found = [
        (reference, variant)
        for reference, variant in variants.pairs(evidence.settings, "scaling")
        if evidence.settings[reference].scaling == "none"
    ]
    if found:
        ratios = {name: variants.overall(table, ref, name, "steps_ratio") for ref, name in found}
        good = [
            is_faster(table, ref, name) and lost(table, name) <= lost(table, ref)
            for ref, name in found
        ]
        verdict = share_verdict(good)
        effect = next(iter(ratios.values()))
        said = [
            f"{name} takes {ratio_words(one)}, {screening_words(table, name)}"
            for name, one in ratios.items()
        ]
        base = found[0][0]
        finding = f"Against {base}, {screening_words(table, base)}: {'; '.join(said)}."
    return Claim(
        "scaling-helps", "Scaled features train faster and more stably",
        "Ratio of steps to target, paired by seed, below 1 over the batch sizes, and no more "
        "diverged trainings", "steps to target over those without scaling", effect, verdict,
        finding, "variants", "variants",
    )  # fmt: skip


def is_faster(table: pd.DataFrame, reference: str, variant: str) -> bool:
    """Whether the steps are fewer, or, with too few pairs to tell, more seeds arrive."""
    ratio = variants.overall(table, reference, variant, "steps_ratio")
    own = table[(table["reference"] == reference) & (table["variant"] == variant)]
    if ratio.n < 2:
        return bool(own["arrived"].sum() > own["reference_arrived"].sum())
    return ratio.high < 1


def lost(table: pd.DataFrame, variant: str) -> float:
    """The share of screened trainings that diverged, mean over batch sizes."""
    return float(row_of(table, variant)["diverged_share"].mean())


def screening_words(table: pd.DataFrame, variant: str) -> str:
    """What became of a variant's grid of rates, on average over batch sizes."""
    usable = row_of(table, variant)["usable_rates"].mean()
    return f"with {lost(table, variant):.0%} diverged and {usable:.1f} rates that reach the target"


def ratio_words(ratio: Estimate) -> str:
    """A ratio of steps with its interval."""
    if ratio.n < 2:
        return "steps that cannot be compared, as too few seeds of both arrive"
    return (
        f"{ratio.value:.2f} times the steps ({ratio.low:.2f} to {ratio.high:.2f}, n = {ratio.n} "
        "batch sizes)"
    )


def batch_norm_helps(evidence: Evidence) -> Claim:
    """Batch norm against none: growth of the weights, and the largest stable rate."""
    verdict, effect, finding = "not tested", NOTHING, untested("batch_norm")
    found = [
        (reference, variant)
        for reference, variant in variants.pairs(evidence.settings, "norm")
        if evidence.settings[reference].model.norm == "none"
    ]
    if found:
        rates = {name: rate_ratio(evidence.variants, ref, name) for ref, name in found}
        growth = {
            name: float(weights.growth(evidence.curves, name).median())
            for name in [found[0][0], *rates]
        }
        good = [one.value > 1 and growth[name] < growth[found[0][0]] for name, one in rates.items()]
        verdict = share_verdict(good)
        effect = next(iter(rates.values()))
        said = [
            f"{name} stands {one.value:.2g} times the rate and its weights grow "
            f"{growth[name]:.2f} times"
            for name, one in rates.items()
        ]
        finding = (
            f"Without it the weights' length grows {growth[found[0][0]]:.2f} times (median over "
            f"batch sizes and seeds); {'; '.join(said)}."
        )
    return Claim(
        "batch-norm-helps", "Batch norm keeps weights in check and allows larger rates",
        "Largest rate at which no seed diverges, over that without batch norm, above 1, and less "
        "growth of the weights along the training", "ratio of the largest stable rates", effect,
        verdict, finding, "variants", "variants",
    )  # fmt: skip


def rate_ratio(table: pd.DataFrame, reference: str, variant: str) -> Estimate:
    """The largest stable rate over the reference's, over all batch sizes."""
    own, other = (row_of(table, name).set_index("batch_size") for name in (variant, reference))
    ratios = (own["largest_rate"] / other["largest_rate"]).dropna()
    return statistics.geometric_mean(ratios.tolist())


def optimizers(evidence: Evidence) -> Claim:
    """Other optimizers against plain SGD."""
    verdict, effect, finding = "not tested", NOTHING, untested("optimizers")
    found = [
        (reference, variant)
        for reference, variant in variants.pairs(evidence.settings, "optimizer")
        if is_plain(evidence, reference)
    ]
    if found:
        ratios = {
            name: variants.overall(evidence.variants, ref, name, "steps_ratio")
            for ref, name in found
        }
        changed = [
            is_faster(evidence.variants, ref, name) or is_faster(evidence.variants, name, ref)
            for ref, name in found
        ]
        verdict = share_verdict(changed)
        effect = min(ratios.values(), key=lambda one: one.value)
        said = [
            f"{name} takes {ratio_words(one)}{critical_words(evidence, name)}"
            for name, one in ratios.items()
        ]
        base = found[0][0]
        finding = f"Against {base}{critical_words(evidence, base)}: {'; '.join(said)}."
    return Claim(
        "optimizers", "Momentum, Adagrad and Adam change the picture",
        "Ratio of steps to target to plain SGD's, paired by seed, other than 1 over the batch "
        "sizes; critical batch sizes beside", "least ratio of steps to target", effect, verdict,
        finding, "variants", "variants",
    )  # fmt: skip


def is_plain(evidence: Evidence, variant: str) -> bool:
    """Whether a variant trains with SGD without momentum."""
    own = evidence.settings[variant].optimizer
    return own.name == "sgd" and own.momentum == 0


def critical_words(evidence: Evidence, variant: str) -> str:
    """A variant's critical batch size in brackets, where it could be fitted."""
    table = evidence.criticals
    own = table[table["variant"] == variant] if len(table) else table
    if own.empty or own["identified"].iloc[0] != "yes":
        return ""
    return f" [critical batch size {own['critical_batch_size'].iloc[0]:.0f}]"
