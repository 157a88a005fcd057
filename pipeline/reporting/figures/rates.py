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
    """With the ridge of the first variant's surface of steps."""
    windows, frame = study.windows, study.frame
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axis = figure.subplots()
    for style, name, rows in by_variant(windows, frame):
        sizes = beside(rows["batch_size"], name, frame, 0.04)
        axis.vlines(
            sizes, rows["lowest"], rows["highest"], color=style["color"], alpha=0.35, linewidth=6
        )
        axis.plot(sizes, rows["lr"], **{**style, "linestyle": "none"})
    ends = study.of_first(windows)["batch_size"]
    sizes = np.geomspace(float(ends.min()), float(ends.max()), 100)
    axis.plot(sizes, study.rate_surface.best_rate(sizes), "--", color="0.4", linewidth=1)
    for marker, finder in (("^", "lightning"), ("v", "fastai")):
        chosen = study.finder_choices[study.finder_choices["finder"] == finder]
        axis.plot(
            chosen["batch_size"], chosen["suggested_lr"], marker, color="0.45", markersize=5,
            fillstyle="none", label=f"finder of {finder}",
        )  # fmt: skip
    if len(study.finder_choices):
        axis.legend(frameon=False, fontsize=9)
    plain_log(axis, numbers.rate)
    batch_axis(axis, sorted(set(windows["batch_size"])), frame.examples)
    axis.set_ylabel("learning rate")
    variant_legend(figure, frame)
    return figure


def caption(study: Study) -> str:
    """The exponents and the width of the good window."""
    decades = study.of_first(study.windows)["decades"]
    return (
        "Points: the rate that reaches the target in the fewest steps, by a smooth curve through "
        "its neighbours; bars: rates that reach it with most seeds, "
        f"{numbers.number(decades.min())} to {numbers.number(decades.max())} powers of ten wide. "
        f"{grows(study)}"
        f"{found(study)}"
    )


def grows(study: Study) -> str:
    """How the best rate grows, by the surface through all screened trainings."""
    surface = study.rate_surface
    if surface.whole.n == 0:
        return "Too few rates reach the target for an exponent."
    if surface.critical is None:
        return f"The dashed line is B^{numbers.exponent(surface.whole)}."
    return (
        f"The dashed line grows as B^{numbers.exponent(surface.below)} up to the critical batch "
        f"size and as B^{numbers.exponent(surface.above)} beyond it."
    )


def found(study: Study) -> str:
    """What the open triangles are."""
    if study.finder_choices.empty:
        return ""
    return " Triangles: what the learning-rate finders of two libraries suggest."


ILLUSTRATION = Illustration(
    "rates",
    "The best learning rate by batch size",
    "windows",
    draw,
    caption,
    has_data=lambda study: len(study.windows) > 0,
)
