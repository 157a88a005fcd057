"""The best learning rate and the window of rates that would do, against the batch size."""

import numpy as np
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    batch_axis,
    beside,
    by_variant,
    plain_log,
    variant_legend,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """With the fitted power of the first variant's settled rates."""
    windows, frame, slope = study.windows, study.frame, study.rate_exponent
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axis = figure.subplots()
    for style, name, rows in by_variant(windows, frame):
        sizes = beside(rows["batch_size"], name, frame, 0.04)
        axis.vlines(
            sizes, rows["lowest"], rows["highest"], color=style["color"], alpha=0.35, linewidth=6
        )
        axis.plot(sizes, rows["refined_lr"], **{**style, "linestyle": "none"})
    if slope.n >= 3:
        settled = study.of_first(windows[windows["settled"]])
        logs = np.log(settled["batch_size"])
        level = np.exp(np.log(settled["refined_lr"]).mean() - slope.value * logs.mean())
        line = level * settled["batch_size"] ** slope.value
        axis.plot(settled["batch_size"], line, "--", color="0.4", linewidth=1)
    plain_log(axis, numbers.rate)
    batch_axis(axis, sorted(set(windows["batch_size"])), frame.examples)
    axis.set_ylabel("learning rate")
    variant_legend(figure, frame)
    return figure


def caption(study: Study) -> str:
    """The exponent and the width of the good window."""
    slope = study.rate_exponent
    grows = (
        "Too few best rates lie inside the grid for an exponent."
        if np.isnan(slope.value)
        else f"The dashed line is B^{slope.value:.2f} (95 % interval {slope.low:.2f} to "
        f"{slope.high:.2f})."
    )
    decades = study.of_first(study.windows)["decades"]
    return (
        "Points: the rate that reaches the target in the fewest steps, refined by a parabola; "
        f"bars: rates that reach it with most seeds, {numbers.number(decades.min())} to "
        f"{numbers.number(decades.max())} powers of ten wide. {grows}"
    )


ILLUSTRATION = Illustration(
    "rates",
    "The best learning rate by batch size",
    "windows",
    draw,
    caption,
    has_data=lambda study: len(study.windows) > 0,
)
