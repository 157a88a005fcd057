"""Where larger batches stop saving steps: the first variant's fit, and what it misses."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from pipeline.analysis import critical
from pipeline.analysis.critical import Critical, Runs
from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import batch_axis, plain_log
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

WHERE = {
    "above": "It lies above the batch sizes tried: only its lower bound means something.",
    "below": "Too few batch sizes lie well below it: only its upper bound means something.",
}
SURE = 0.05
"""A probability below this is taken for no chance."""


def draw(study: Study) -> Figure:
    """The first variant's."""
    assert study.critical is not None
    return fitted(study.runs[study.frame.first], study.critical, study.frame)


def fitted(runs: Runs, fit: Critical, frame: Frame) -> Figure:
    """Each seed's examples to target with the fitted curves, and what they miss."""
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    colours = sns.color_palette("colorblind", 2)
    sizes = sorted(set(runs.batch_size))
    line = np.geomspace(sizes[0], sizes[-1], 200)
    hit = ~runs.missed
    examples = runs.batch_size * runs.steps
    above.plot(runs.batch_size[hit], examples[hit], "o", color=colours[0], alpha=0.6, label="seed")
    if runs.missed.any():
        above.plot(
            runs.batch_size[runs.missed], examples[runs.missed], "^", markerfacecolor="white",
            color=colours[0], label="missed within its budget",
        )  # fmt: skip
    above.plot(line, line * fit.curve.steps(line), color="0.25", label="S_min + E_min / B")
    above.plot(line, line * fit.sharper.steps(line), ":", color=colours[1], label="free knee")
    for axis in (above, below):
        axis.axvspan(
            max(fit.low, sizes[0]), min(fit.high, sizes[-1]), color="0.9", zorder=0, linewidth=0
        )
        axis.axvline(fit.curve.critical, color="0.35", linestyle=":", zorder=1)
    plain_log(above)
    above.set_ylabel("examples to target")
    above.legend(frameon=False, fontsize=9)
    missing = runs.steps[hit] / fit.curve.steps(runs.batch_size[hit])
    below.plot(runs.batch_size[hit], missing, "o", color=colours[0], alpha=0.6)
    below.axhline(1, color="0.25", linewidth=1)
    plain_log(below)
    below.set_ylabel("steps / curve")
    batch_axis(below, [int(size) for size in sizes], frame.examples)
    return figure


def caption(study: Study) -> str:
    """The critical batch size with its intervals, the regimes, and how well the curve fits."""
    fit, runs = study.critical, study.runs[study.frame.first]
    assert fit is not None
    where = f" {WHERE[fit.identified]}" if fit.identified in WHERE else ""
    likely = numbers.interval(fit.low, fit.high)
    resampled = numbers.interval(fit.resampled_low, fit.resampled_high)
    spread = numbers.number(float(np.exp(fit.curve.spread)))
    return (
        f"Critical batch size {numbers.number(fit.curve.critical)} (95 % profile-likelihood "
        f"interval {likely}; resampling seeds {resampled}), from {fit.n} trainings, "
        f"{fit.missed} of them censored.{where} {regime_words(fit, runs, study.frame)}. "
        f"{knee_words(fit)} (p = {fit.probability:.2g}); single seeds spread by a factor {spread} "
        f"around the curve.{misfit_words(study.misfit)}"
    )


def regime_words(fit: Critical, runs: Runs, frame: Frame) -> str:
    """Which batch sizes scale nearly perfectly, with diminishing returns, or not at all."""
    regimes = critical.regimes(fit.curve, sorted({int(size) for size in runs.batch_size}))
    names = {
        "perfect": "near-perfect scaling",
        "diminishing": "diminishing returns",
        "flat": "nothing more to gain",
    }
    words = [
        f"{name} at {', '.join(numbers.batch_size(size, frame.examples) for size in regimes[key])}"
        for key, name in names.items()
        if regimes[key]
    ]
    return "; ".join(words).capitalize()


def knee_words(fit: Critical) -> str:
    """Whether a sharper knee than the hyperbola's fits better."""
    if fit.probability > SURE:
        return "A sharper knee does not fit better"
    return (
        f"A knee of sharpness {numbers.number(fit.sharper.sharpness)}, with critical batch "
        f"size {numbers.number(fit.sharper.critical)}, fits better"
    )


def misfit_words(probability: float) -> str:
    """Whether batch sizes lie off the curve by more than their seeds' spread."""
    if not probability < SURE:
        return ""
    return (
        f" Batch sizes miss the curve by more than their seeds' spread (p = {probability:.2g}): "
        "the interval is too narrow."
    )


ILLUSTRATION = Illustration(
    "critical",
    "Where larger batches stop saving steps",
    "critical",
    draw,
    caption,
    has_data=lambda study: study.critical is not None,
)
