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
    "above": "It may lie far above the batch sizes tried: only its lower bound means something.",
    "below": "Too few batch sizes lie well below it: only its upper bound means something.",
}


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
    if fit.knee.sharpness > 1:
        above.plot(line, line * fit.knee.steps(line), ":", color=colours[1], label="sharper knee")
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
    fit = study.critical
    assert fit is not None
    where = f" {WHERE[fit.identified]}" if fit.identified in WHERE else ""
    spread = numbers.number(float(np.exp(fit.within)))
    return (
        f"{scaling_words(study)} Critical batch size {numbers.number(fit.curve.critical)} (95 % "
        f"interval {numbers.interval(fit.low, fit.high)}), from {fit.n} trainings, {fit.missed} of "
        f"them censored.{where} Single seeds spread by a factor {spread}, batch sizes around the "
        f"curve by {numbers.number(float(np.exp(fit.between)))} more; a knee sharper than the "
        f"hyperbola's has a probability of {fit.knee_probability:.2f}."
    )


def scaling_words(study: Study) -> str:
    """Up to which batch size examples are not shown to grow, and from which they are."""
    table, examples = study.overheads, study.frame.examples
    more = f"{critical.OVERHEAD - 1:.0%}"
    beyond = table[table["scaling"] == "beyond"]
    if beyond.empty:
        return f"No batch size is shown to need {more} more examples than the thriftiest."
    first = beyond.iloc[0]
    low, high = first["overhead_low"], first["overhead_high"]
    return (
        f"Batch size {numbers.batch_size(first['batch_size'], examples)} is the first shown to "
        f"need {more} more examples than the thriftiest: {first['overhead']:.2f} times "
        f"({low:.2f} to {high:.2f})."
    )


ILLUSTRATION = Illustration(
    "critical",
    "Where larger batches stop saving steps",
    "critical",
    draw,
    caption,
    has_data=lambda study: study.critical is not None,
)
