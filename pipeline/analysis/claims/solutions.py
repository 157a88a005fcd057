"""Claims about what the batch size does to the solution, and about the gradient's noise."""

import numpy as np

from pipeline.analysis import noise
from pipeline.analysis.claims.claim import (
    Outcome,
    Region,
    claim,
    judged,
    untested,
    untested_of_raced,
)
from pipeline.analysis.curvature import MEASURES
from pipeline.analysis.study import Study
from pipeline.selection import statistics
from pipeline.selection.keys import WHOLE

ROOT_MARGIN = 0.05
"""An exponent this near to -1/2 counts as the square root."""
GROWS = Region(0, np.inf, step=0.25)
FALLS = Region(-np.inf, 0, step=0.25)
WELL_BELOW = 0.5
"""Noise outweighs curvature up to this share of the critical batch size; near it both count."""
BINDS = 0.5
"""Curvature limits the rate where rate times curvature passes this share of the limit."""


def generalise(study: Study, comparison: str) -> Outcome:
    """The test error of the largest batch size over that of the smallest, in one comparison."""
    raced = untested_of_raced(study)
    if raced:
        return raced
    trend = study.error_trends.get(comparison)
    if trend is None:
        return untested("Fewer than two batch sizes have solutions to compare.")
    ratio, margin = trend.ratio, study.params.limits.score_margin
    region = Region((trend.error + margin) / trend.error, np.inf, step=0.5, is_ratio=True)
    finding = (
        f"From batch size {trend.smallest} to {trend.largest} the test error changes "
        f"{ratio.value:.2f} times ({ratio.low:.2f} to {ratio.high:.2f}, {ratio.n} seeds); the "
        f"margin of {margin:g} would be {region.low:.2f}."
    )
    return judged(ratio, region, "seeds and as many times the test examples", finding)


TREND = (
    "Line through log test error against log batch size over all batch sizes, with the error of "
    "seeds and test examples: more than `limits.score_margin` worse at its end"
)


@claim(
    "generalise-tuned",
    "Larger batches generalise worse, each at its best rate and trained to the end",
    test=TREND,
    effect="ratio of test errors",
    figure="generalisation",
    table="error_trends",
)
def generalise_tuned(study: Study) -> Outcome:
    """At the end of the whole budget."""
    return generalise(study, WHOLE)


@claim(
    "generalise-equal-steps",
    "Larger batches generalise worse after equally many steps",
    test=TREND,
    effect="ratio of test errors",
    figure="generalisation",
    table="error_trends",
)
def generalise_equal_steps(study: Study) -> Outcome:
    """At equal steps, of which larger batches make more examples."""
    return generalise(study, "equal steps")


@claim(
    "generalise-equal-epochs",
    "Larger batches generalise worse after equally many epochs",
    test=TREND,
    effect="ratio of test errors",
    figure="generalisation",
    table="error_trends",
)
def generalise_equal_epochs(study: Study) -> Outcome:
    """At equal epochs, of which larger batches make fewer steps."""
    return generalise(study, "equal epochs")


@claim(
    "generalise-one-rate",
    "Larger batches generalise worse after equally many epochs at one rate",
    test=TREND,
    effect="ratio of test errors",
    figure="generalisation",
    table="error_trends",
)
def generalise_one_rate(study: Study) -> Outcome:
    """At equal epochs with the smallest batch size's best rate."""
    return generalise(study, "equal epochs, one rate")


@claim(
    "sharp-end",
    "Larger batches end in sharper minima",
    test="Exponent of the largest eigenvalue at the end of the training against batch size, at "
    "each batch size's best rate, above 0",
    effect="exponent of the largest eigenvalue",
    figure="sharpness",
    table="sharpness",
)
def sharp_end(study: Study) -> Outcome:
    """Sharpness at the end, wherever the training loss is by then."""
    if study.of_first(study.measured.sharpness).empty:
        return untested("Fewer than two batch sizes were measured.")
    exponents = study.sharpness_exponents
    effect = exponents["eigenvalue_1"]
    if effect.n < 2:
        return untested("Fewer than two batch sizes were measured.", effect)
    by_measure = [
        f"{MEASURES[name]} as B^{exponent.value:.2f} ({exponent.low:.2f} to {exponent.high:.2f})"
        for name, exponent in exponents.items()
    ]
    finding = (
        f"Over the batch sizes, {effect.n} seeds, they grow: {', '.join(by_measure)}."
        f"{path_words(study)}{loss_words(study)}"
    )
    return judged(effect, GROWS, "seeds or as many times the batch sizes", finding)


def loss_words(study: Study) -> str:
    """How far the training losses of the solutions lie apart: sharpness follows the loss."""
    losses = study.final_losses
    if losses.empty or losses.max() < 1.5 * losses.min():
        return ""
    falls = (
        ", and the curvature of cross entropy falls with the loss"
        if study.frame.score_name.endswith("accuracy")
        else ""
    )
    return f" They end at training losses from {losses.min():.2g} to {losses.max():.2g}{falls}."


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
    "sharp-equal-loss",
    "Larger batches are at sharper points when their training loss is the same",
    test="Exponent of the largest eigenvalue against batch size where trainings at one rate come "
    "down to a common training loss, above 0; what is left of the loss is a covariate",
    effect="exponent of the largest eigenvalue",
    figure="sharpness",
    table="equal_loss",
)
def sharp_equal_loss(study: Study) -> Outcome:
    """Sharpness at one rate and one training loss."""
    effect, table = study.equal_loss_exponent, study.equal_loss
    if effect.n < 3 or not np.isfinite(effect.value):
        return untested("Fewer than three batch sizes come down to a common loss at one rate.")
    finding = (
        f"At rate {table['lr'].iloc[0]:.4g} and training losses from "
        f"{table['train_loss'].min():.2g} to {table['train_loss'].max():.2g} the largest "
        f"eigenvalue goes as B^{effect.value:.2f} ({effect.low:.2f} to {effect.high:.2f}, "
        f"{effect.n} batch sizes)."
    )
    return judged(effect, GROWS, "batch sizes", finding)


@claim(
    "oscillation",
    "Small batches oscillate more",
    test="Exponent of the scatter of the validation loss around a local line against batch size, "
    "at like rates and near the target, below 0",
    effect="exponent of the scatter",
    figure="oscillation",
    table="oscillation",
)
def oscillation(study: Study) -> Outcome:
    """Scatter of the validation loss along the training against the batch size."""
    effect = study.oscillation_exponents["validation"]
    if effect.n < 3 or not np.isfinite(effect.value):
        return untested("Fewer than three batch sizes were evaluated densely at rates that differ.")
    spread = study.oscillation_exponents["minibatch"].value
    minibatch = f", the losses of minibatches as B^{spread:.2f}" if np.isfinite(spread) else ""
    finding = (
        f"Near the target and at like rates the validation loss scatters as B^{effect.value:.2f} "
        f"({effect.low:.2f} to {effect.high:.2f}, {effect.n} batch sizes){minibatch}."
    )
    return judged(effect, FALLS, "batch sizes", finding)


def curvature(study: Study, side: str) -> Outcome:
    """Rate times the largest eigenvalue early in the training, against half the stability limit,
    on one side of the critical batch size."""
    limit = study.stability_limit
    if limit is None:
        why = "The optimizer scales each weight's gradient: the limit does not apply as it is."
        return untested(why)
    fit = study.critical
    if fit is None:
        return untested("There is no critical batch size.")
    early = study.early_products
    over_critical = early["batch_size"] / fit.curve.critical
    table = early[over_critical <= WELL_BELOW if side == "well below" else over_critical > 1]
    if table.empty:
        return untested(f"No batch size {side} the critical one was watched early.")
    product = statistics.geometric_mean(
        np.exp(np.log(table["product"]).groupby(table["seed"]).mean()).tolist()
    )
    means = np.exp(np.log(table["product"]).groupby(table["batch_size"]).mean())
    by_size = ", ".join(f"{value:.2g} at {size}" for size, value in means.items())
    finding = (
        f"A tenth into the training at the fastest rate, rate × largest eigenvalue is {by_size}; "
        f"together {product.value:.2g} ({product.low:.2g} to {product.high:.2g}, {product.n} "
        f"seeds). Full-batch descent diverges beyond {limit:.2g}."
    )
    region = Region(BINDS * limit, np.inf, step=0.5, is_ratio=True)
    return judged(product, region, "seeds", finding)


@claim(
    "curvature-small",
    "Curvature limits the learning rate of small batches",
    test=f"Rate × largest eigenvalue, early in the training at the fastest rate, at least {BINDS} "
    "of the stability limit, over the batch sizes up to half the critical one",
    effect="rate × largest eigenvalue",
    figure="sharpness",
    table="early_products",
)
def curvature_small(study: Study) -> Outcome:
    """Well below the critical batch size, where theory says that noise limits the rate."""
    return curvature(study, "well below")


@claim(
    "curvature-large",
    "Curvature limits the learning rate of large batches",
    test=f"Rate × largest eigenvalue, early in the training at the fastest rate, at least {BINDS} "
    "of the stability limit, over the batch sizes beyond the critical one",
    effect="rate × largest eigenvalue",
    figure="sharpness",
    table="early_products",
)
def curvature_large(study: Study) -> Outcome:
    """Above the critical batch size (Cohen et al. 2021)."""
    return curvature(study, "beyond")


@claim(
    "gradient-sqrt",
    "The gradient's uncertainty falls as 1/√m",
    test="Log-log slope of the root mean square error of random batches' gradients, within "
    f"{ROOT_MARGIN} of −1/2",
    effect="exponent of the gradient's error",
    figure="gradient_noise",
    table="gradient_noise",
    kind="check",
)
def gradient_sqrt(study: Study) -> Outcome:
    """The error of a minibatch's gradient against its size: so by construction, for the batches
    are drawn independently."""
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
    "gradient-few",
    "The gradient of 1000 examples is nearly that of all",
    test=f"Examples for a cosine of {noise.SAME_DIRECTION} with the expected gradient, by the "
    f"noise scale, half into the training, at most {noise.FEW}",
    effect="examples needed",
    figure="gradient_noise",
    table="noise_scales",
)
def gradient_few(study: Study) -> Outcome:
    """How many examples have nearly the direction of the expected gradient."""
    needed = study.examples_needed
    middle = needed.get("middle")
    if middle is None or np.isnan(middle.low):
        return untested("Half way the noise hides the gradient in all trainings but one.")
    others = [
        f"{examples.value:,.0f} {moment}"
        for moment, examples in needed.items()
        if moment != "middle"
    ]
    finding = (
        f"Half into the training a cosine of {noise.SAME_DIRECTION} takes {middle.value:,.0f} "
        f"examples ({middle.low:,.0f} to {middle.high:,.0f}, {middle.n} batch sizes); at other "
        f"moments {', '.join(others)}."
    )
    region = Region(0, noise.FEW, step=1.0, is_ratio=True)
    return judged(middle, region, "trainings", finding)
