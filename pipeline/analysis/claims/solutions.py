"""Claims about what the batch size does to the solution, and about the gradient's noise."""

import numpy as np
import pandas as pd

from pipeline.analysis import noise
from pipeline.analysis.claims.claim import (
    Outcome,
    claim,
    interval_verdict,
    share_verdict,
    untested,
)
from pipeline.analysis.curvature import MEASURES, TINY
from pipeline.analysis.study import Study
from pipeline.selection import statistics
from pipeline.selection.keys import CELL, WHOLE
from pipeline.selection.statistics import Estimate

ROOT_MARGIN = 0.05
"""An exponent this near to -1/2 counts as the square root."""
SAME_DIRECTION = 0.9
"""A cosine above this is nearly the same direction."""
SAME_DEPTH = 2.0
"""Training losses within this factor are deep enough alike to compare sharpness."""
BINDS = 0.5
"""Curvature limits the rate where rate times curvature passes this share of the limit."""


@claim(
    "generalisation-gap",
    "Larger batches generalise worse",
    test="Paired t tests and two one-sided tests of the largest against the smallest batch size "
    "under three budgets and at one rate, Holm-adjusted over batch sizes",
    effect="difference in test score over the whole budget",
    figure="generalisation",
    table="generalisation",
)
def generalisation_gap(study: Study) -> Outcome:
    """The largest batch size's test score against the smallest one's, by budget."""
    compared = study.of_first(study.generalisation)
    if compared.empty or not (compared["verdict"] != "").any():
        return untested("Fewer than two batch sizes have solutions.")
    largest = compared[compared["verdict"] != ""].groupby("comparison", sort=False).last()
    words = set(largest["verdict"])
    verdict = "supported" if words == {"worse"} else "mixed"
    verdict = "refuted" if "worse" not in words and "unclear" not in words else verdict
    row = largest.loc[WHOLE] if WHOLE in largest.index else largest.iloc[-1]
    low, high = row["difference_low"], row["difference_high"]
    effect = Estimate(row["difference"], low, high, int(row["seeds"]))
    by_budget = [
        f"{name}: {one['verdict']} ({one['difference']:+.4f}, {one['difference_low']:+.4f} to "
        f"{one['difference_high']:+.4f})"
        for name, one in largest.iterrows()
    ]
    finding = (
        f"Test score of batch size {row['batch_size']} less that of "
        f"{compared['batch_size'].min()}, {effect.n} pairs of seeds: {'; '.join(by_budget)}."
    )
    return Outcome(verdict, effect, finding)


@claim(
    "sharp-minima",
    "Larger batches end in sharper minima",
    test="Exponents of three measures of sharpness against batch size, at each batch size's best "
    f"rate; all above 0, at training losses within a factor {SAME_DEPTH:g}",
    effect="exponent of the largest eigenvalue",
    figure="sharpness",
    table="sharpness",
)
def sharp_minima(study: Study) -> Outcome:
    """Three measures of sharpness against the batch size."""
    if study.of_first(study.measured.sharpness).empty:
        return untested("Fewer than two batch sizes were measured.")
    exponents = study.sharpness_exponents
    effect = exponents["eigenvalue_1"]
    if effect.n < 2:
        return untested("Fewer than two batch sizes were measured.", effect)
    growing = share_verdict([exponent.low > 0 for exponent in exponents.values()])
    loss, depth = training_losses(study)
    by_measure = [
        f"{MEASURES[name]} as B^{exponent.value:.2f} ({exponent.low:.2f} to {exponent.high:.2f})"
        for name, exponent in exponents.items()
    ]
    finding = (
        f"Over the batch sizes, {effect.n} seeds, they grow: {', '.join(by_measure)}."
        f"{path_words(study)}{loss}"
    )
    verdict = "mixed" if growing == "supported" and depth > SAME_DEPTH else growing
    return Outcome(verdict, effect, finding)


def training_losses(study: Study) -> tuple[str, float]:
    """The training losses of the solutions that are compared, in words, and their ratio."""
    scores = study.measured.final_scores
    if scores.empty:
        return "", 1.0
    solutions = study.of_first(study.measured.sharpness).query("point == 'solution'")[CELL]
    scored = solutions.merge(scores, on=CELL)
    losses = np.log(scored["train_loss"].clip(lower=TINY))
    by_size = np.exp(losses.groupby(scored["batch_size"]).mean())
    least, most = by_size.min(), by_size.max()
    words = f" The solutions' training losses lie between {least:.2g} and {most:.2g}"
    rates = solutions["lr"].nunique()
    rated = "" if rates == 1 else f", and they were reached at {rates} rates"
    return f"{words}{rated}: sharpness follows both.", float(most / least)


def path_words(study: Study) -> str:
    """What lies on the straight line between the smallest and the largest batch's solutions."""
    peaks = study.line_peaks
    if peaks.empty:
        return ""
    barrier = statistics.mean((peaks["peak"] - peaks["end"]).tolist())
    return (
        f" On the straight line between the smallest and the largest batch size's solutions the "
        f"training loss rises {barrier.value:.2g} above the higher end."
    )


@claim(
    "small-batch-noise",
    "Small batches oscillate more, and noise helps to leave poor minima",
    test="Exponent of the validation loss's late moves against batch size below 0; share of "
    "noisy descents that leave the poor well",
    effect="exponent of oscillation",
    figure="oscillation",
    table="oscillation",
)
def small_batch_noise(study: Study) -> Outcome:
    """Oscillation late in training against the batch size, and escapes from a poor minimum."""
    cells, escapes = study.of_first(study.oscillation), study.escapes
    if cells.empty or escapes.empty:
        return untested("Fewer than two batch sizes were watched.")
    effect = study.oscillation_exponents["validation"]
    if effect.n < 2:
        return untested("Fewer than two batch sizes were watched.", effect)
    few, many = escapes.iloc[0], escapes.iloc[-1]
    helps = few["share"] > many["share"]
    falls = Estimate(-effect.value, -effect.high, -effect.low, effect.n)
    finding = (
        f"Late in training the validation loss moves from evaluation to evaluation as "
        f"B^{effect.value:.2f} ({effect.low:.2f} to {effect.high:.2f}), minibatch losses "
        f"spread as B^{study.oscillation_exponents['minibatch'].value:.2f}; of "
        f"{len(set(cells['seed']))} seeds. In a tilted "
        f"double well {few['share']:.0%} leave the poor minimum at batch size "
        f"{few['batch_size']:.0f}, {many['share']:.0%} at {many['batch_size']:.0f}."
    )
    return Outcome(interval_verdict(falls, 0, 0) if helps else "mixed", effect, finding)


@claim(
    "curvature-limits-lr",
    "Curvature limits the learning rate",
    test="Rate × largest eigenvalue, early in the training at the fastest rate, at least "
    f"{BINDS} of the stability limit",
    effect="rate × largest eigenvalue",
    figure="sharpness",
    table="stability",
)
def curvature_limits_lr(study: Study) -> Outcome:
    """Rate times the largest eigenvalue early in training, against the stability limit."""
    limit = study.stability_limit
    if limit is None:
        why = "The optimizer scales each weight's gradient: the limit does not apply as it is."
        return untested(why)
    if study.of_first(study.measured.sharpness).empty:
        return untested("No training was watched early.")
    early = study.stability[study.stability["point"] == "early"]
    if len(early) < 2:
        return untested("No training was watched early.")
    binds = early["product"] >= BINDS * limit
    least, most = early.iloc[0], early.iloc[-1]
    finding = (
        f"A tenth into the training at the fastest rate, rate × largest eigenvalue is "
        f"{least['product']:.2g} at batch size {least['batch_size']} and "
        f"{most['product']:.2g} at {most['batch_size']}; the limit of full-batch descent "
        f"is {limit:.2g}. It passes half of that at {bound_sizes(early, binds)}."
    )
    product = statistics.geometric_mean(early["product"].tolist())
    return Outcome(share_verdict(binds), product, finding)


def bound_sizes(table: pd.DataFrame, binds: "pd.Series[bool]") -> str:
    """The batch sizes at which the limit binds, in words."""
    sizes = [str(size) for size in table.loc[binds, "batch_size"]]
    return f"batch size {', '.join(sizes)}" if sizes else "no batch size"


@claim(
    "gradient-sqrt",
    "The gradient's uncertainty falls as 1/√m",
    test="Log-log slope of the root mean square error of random batches' gradients, within "
    f"{ROOT_MARGIN} of −1/2",
    effect="exponent of the gradient's error",
    figure="gradient_noise",
    table="gradient_noise",
)
def gradient_sqrt(study: Study) -> Outcome:
    """The error of a minibatch's gradient against its size."""
    compared = study.of_first(study.measured.gradient_noise)
    if compared.empty:
        return untested("No gradients were compared.")
    exponent = study.noise_exponent
    if exponent.n < 2:
        return untested("No gradients were compared.", exponent)
    finding = (
        f"From 1 to {compared['examples'].max()} examples the error falls as "
        f"m^{exponent.value:.3f} ({exponent.low:.3f} to {exponent.high:.3f}; {exponent.n} "
        "moments of training), after the correction for drawing without replacement."
    )
    near = abs(exponent.value + 0.5) <= ROOT_MARGIN
    return Outcome("supported" if near else "refuted", exponent, finding)


@claim(
    "few-are-enough",
    "The gradient of 1000 examples is nearly that of all",
    test=f"Cosine of at most {noise.FEW} examples, and at most half of all, at least "
    f"{SAME_DIRECTION} at every moment of the training",
    effect="mean cosine",
    figure="gradient_noise",
    table="gradient_noise",
)
def few_are_enough(study: Study) -> Outcome:
    """The direction of a part's gradient against that of all, along the training."""
    compared = study.of_first(study.measured.gradient_noise)
    if compared.empty:
        return untested("No gradients were compared.")
    few = noise.few(compared, study.frame.first)
    row = few.iloc[0]
    cost = row["population"] / row["examples"]
    by_moment = [f"{one.moment} {one.cosine:.2f}" for one in few.itertuples()]
    finding = (
        f"Cosine between the gradient of {row['examples']:.0f} examples and that of "
        f"{row['population']:.0f}, at 1/{cost:.1f} of the cost: {', '.join(by_moment)}. Examples "
        "are enough while they are many against the noise scale."
    )
    cosine = Estimate(float(few["cosine"].mean()), np.nan, np.nan, len(few))
    return Outcome(share_verdict(few["cosine"] >= SAME_DIRECTION), cosine, finding)
