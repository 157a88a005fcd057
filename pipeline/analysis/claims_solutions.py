"""Claims about what the batch size does to the solution, and about the gradient's noise."""

import numpy as np
import pandas as pd

from pipeline.analysis import curvature, noise, statistics, weights
from pipeline.analysis.budgets import WHOLE
from pipeline.analysis.claim import NOTHING, Claim, Evidence, interval_verdict, share_verdict
from pipeline.analysis.curvature import MEASURES, TINY
from pipeline.analysis.statistics import Estimate
from pipeline.analysis.targets import PACK

ROOT_MARGIN = 0.05
"""An exponent this near to -1/2 counts as the square root."""
SAME_DIRECTION = 0.9
"""A cosine above this is nearly the same direction."""
SAME_DEPTH = 2.0
"""Training losses within this factor are deep enough alike to compare sharpness."""
BINDS = 0.5
"""Curvature limits the rate where rate times curvature passes this share of the limit."""


def generalisation_gap(evidence: Evidence) -> Claim:
    """The largest batch size's test score against the smallest one's, by budget."""
    own = evidence.own(evidence.comparisons)
    verdict, effect, finding = "not tested", NOTHING, "Fewer than two batch sizes have solutions."
    if len(own) and (own["verdict"] != "").any():
        last = own[own["verdict"] != ""].groupby("comparison", sort=False).last()
        words = set(last["verdict"])
        verdict = "supported" if words == {"worse"} else "mixed"
        verdict = "refuted" if "worse" not in words and "unclear" not in words else verdict
        row = last.loc[WHOLE] if WHOLE in last.index else last.iloc[-1]
        effect = Estimate(
            row["difference"], row["difference_low"], row["difference_high"], int(row["seeds"])
        )
        first = own["batch_size"].min()
        said = [
            f"{name}: {one['verdict']} ({one['difference']:+.4f}, {one['difference_low']:+.4f} to "
            f"{one['difference_high']:+.4f})"
            for name, one in last.iterrows()
        ]
        finding = (
            f"Test score of batch size {row['batch_size']} less that of {first}, "
            f"{effect.n} pairs of seeds: {'; '.join(said)}."
        )
    return Claim(
        "generalisation-gap", "Larger batches generalise worse",
        "Paired t tests and two one-sided tests of the largest against the smallest batch size "
        "under three budgets and at one rate, Holm-adjusted over batch sizes",
        "difference in test score over the whole budget", effect, verdict, finding,
        "generalisation", "generalisation",
    )  # fmt: skip


def sharp_minima(evidence: Evidence) -> Claim:
    """Three measures of sharpness against the batch size."""
    verdict, effect, finding = "not tested", NOTHING, "Fewer than two batch sizes were measured."
    if len(evidence.own(evidence.sharpness)):
        found = {
            words: curvature.exponent(evidence.sharpness, evidence.variant, name)
            for name, words in MEASURES.items()
        }
        effect = found[MEASURES["eigenvalue_1"]]
        if effect.n > 1:
            growing = share_verdict([one.low > 0 for one in found.values()])
            loss, depth = training_losses(evidence)
            verdict = "mixed" if growing == "supported" and depth > SAME_DEPTH else growing
            said = [
                f"{words} as B^{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
                for words, one in found.items()
            ]
            finding = (
                f"Over the batch sizes, {effect.n} seeds, they grow: {', '.join(said)}."
                f"{path_words(evidence)}{loss}"
            )
    return Claim(
        "sharp-minima", "Larger batches end in sharper minima",
        "Exponents of three measures of sharpness against batch size, at each batch size's best "
        f"rate; all above 0, at training losses within a factor {SAME_DEPTH:g}",
        "exponent of the largest eigenvalue", effect, verdict, finding,
        "sharpness", "sharpness",
    )  # fmt: skip


def training_losses(evidence: Evidence) -> tuple[str, float]:
    """The training losses of the solutions that are compared, in words, and their ratio."""
    key = [*PACK, "lr", "seed"]
    solutions = evidence.own(evidence.sharpness).query("point == 'solution'")[key]
    if evidence.scores.empty:
        return "", 1.0
    scored = solutions.merge(evidence.scores, on=key)
    losses = np.log(scored["train_loss"].clip(lower=TINY))
    by_size = np.exp(losses.groupby(scored["batch_size"]).mean())
    least, most = by_size.min(), by_size.max()
    words = f" The solutions' training losses lie between {least:.2g} and {most:.2g}"
    rates = solutions["lr"].nunique()
    rated = "" if rates == 1 else f", and they were reached at {rates} rates"
    return f"{words}{rated}: sharpness follows both.", float(most / least)


def path_words(evidence: Evidence) -> str:
    """What lies on the straight line between the smallest and the largest batch's solutions."""
    own = evidence.own(evidence.landscape)
    own = own[own["path"] == "line"] if len(own) else own
    if own.empty:
        return ""
    peaks = weights.line_peaks(own)
    barrier = statistics.mean((peaks["peak"] - peaks["end"]).tolist())
    return (
        f" On the straight line between the smallest and the largest batch size's solutions the "
        f"training loss rises {barrier.value:.2g} above the higher end."
    )


def small_batch_noise(evidence: Evidence) -> Claim:
    """Oscillation late in training against the batch size, and escapes from a poor minimum."""
    own, verdict = evidence.own(evidence.oscillation), "not tested"
    effect, finding = NOTHING, "Fewer than two batch sizes were watched."
    if len(own) and len(evidence.escapes):
        effect = noise.oscillation_exponent(own, evidence.variant, "validation")
        batch = noise.oscillation_exponent(own, evidence.variant, "minibatch")
        if effect.n > 1:
            few, many = evidence.escapes.iloc[0], evidence.escapes.iloc[-1]
            helps = few["share"] > many["share"]
            verdict = interval_verdict(negated(effect), 0, 0)
            verdict = verdict if helps else "mixed"
            finding = (
                f"Late in training the validation loss moves from evaluation to evaluation as "
                f"B^{effect.value:.2f} ({effect.low:.2f} to {effect.high:.2f}), minibatch losses "
                f"spread as B^{batch.value:.2f}; of {len(set(own['seed']))} seeds. In a tilted "
                f"double well {few['share']:.0%} leave the poor minimum at batch size "
                f"{few['batch_size']:.0f}, {many['share']:.0%} at {many['batch_size']:.0f}."
            )
    return Claim(
        "small-batch-noise", "Small batches oscillate more, and noise helps to leave poor minima",
        "Exponent of the validation loss's late moves against batch size below 0; share of "
        "noisy descents that leave the poor well", "exponent of oscillation", effect, verdict,
        finding, "oscillation", "oscillation",
    )  # fmt: skip


def negated(estimate: Estimate) -> Estimate:
    """The estimate of minus the value."""
    return Estimate(-estimate.value, -estimate.high, -estimate.low, estimate.n)


def curvature_limits_lr(evidence: Evidence) -> Claim:
    """Rate times the largest eigenvalue early in training, against the stability limit."""
    verdict, effect, finding = "not tested", NOTHING, "No training was watched early."
    limit = evidence.stability_limit
    if limit is None:
        finding = "The optimizer scales each weight's gradient: the limit does not apply as it is."
    elif len(evidence.own(evidence.sharpness)):
        table = curvature.products(evidence.sharpness, evidence.variant)
        early = table[table["point"] == "early"]
        if len(early) > 1:
            binds = early["product"] >= BINDS * limit
            verdict = share_verdict(binds)
            effect = statistics.geometric_mean(early["product"].tolist())
            least, most = early.iloc[0], early.iloc[-1]
            finding = (
                f"A tenth into the training at the fastest rate, rate × largest eigenvalue is "
                f"{least['product']:.2g} at batch size {least['batch_size']} and "
                f"{most['product']:.2g} at {most['batch_size']}; the limit of full-batch descent "
                f"is {limit:.2g}. It passes half of that at {bound_sizes(early, binds)}."
            )
    return Claim(
        "curvature-limits-lr", "Curvature limits the learning rate",
        f"Rate × largest eigenvalue, early in the training at the fastest rate, at least {BINDS} "
        "of the stability limit", "rate × largest eigenvalue", effect, verdict, finding,
        "sharpness", "stability",
    )  # fmt: skip


def bound_sizes(table: pd.DataFrame, binds: "pd.Series[bool]") -> str:
    """The batch sizes at which the limit binds, in words."""
    sizes = [str(size) for size in table.loc[binds, "batch_size"]]
    return f"batch size {', '.join(sizes)}" if sizes else "no batch size"


def gradient_sqrt(evidence: Evidence) -> Claim:
    """The error of a minibatch's gradient against its size."""
    own = evidence.own(evidence.noise)
    verdict, effect, finding = "not tested", NOTHING, "No gradients were compared."
    if len(own):
        effect = noise.error_exponent(own, evidence.variant)
        if effect.n > 1:
            near = abs(effect.value + 0.5) <= ROOT_MARGIN
            verdict = "supported" if near else "refuted"
            largest = own["examples"].max()
            finding = (
                f"From 1 to {largest} examples the error falls as m^{effect.value:.3f} "
                f"({effect.low:.3f} to {effect.high:.3f}; {effect.n} moments of training), after "
                f"the correction for drawing without replacement."
            )
    return Claim(
        "gradient-sqrt", "The gradient's uncertainty falls as 1/√m",
        f"Log-log slope of the root mean square error of random batches' gradients, within "
        f"{ROOT_MARGIN} of −1/2", "exponent of the gradient's error", effect, verdict, finding,
        "gradient_noise", "gradient_noise",
    )  # fmt: skip


def few_are_enough(evidence: Evidence) -> Claim:
    """The direction of a part's gradient against that of all, along the training."""
    own = evidence.own(evidence.noise)
    verdict, effect, finding = "not tested", NOTHING, "No gradients were compared."
    if len(own):
        few = noise.few(own, evidence.variant)
        verdict = share_verdict(few["cosine"] >= SAME_DIRECTION)
        effect = Estimate(float(few["cosine"].mean()), np.nan, np.nan, len(few))
        row = few.iloc[0]
        cost = row["population"] / row["examples"]
        said = [f"{one.moment} {one.cosine:.2f}" for one in few.itertuples()]
        finding = (
            f"Cosine between the gradient of {row['examples']:.0f} examples and that of "
            f"{row['population']:.0f}, at 1/{cost:.1f} of the cost: {', '.join(said)}. Examples "
            "are enough while they are many against the noise scale."
        )
    return Claim(
        "few-are-enough", "The gradient of 1000 examples is nearly that of all",
        f"Cosine of at most {noise.FEW} examples, and at most half of all, at least "
        f"{SAME_DIRECTION} at every moment of the training", "mean cosine", effect, verdict,
        finding, "gradient_noise", "gradient_noise",
    )  # fmt: skip
