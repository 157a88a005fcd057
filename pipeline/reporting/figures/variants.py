"""Variants beside each other: a line of points for each, a point for each batch size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import MARKERS, reach, signed_log, size_colours, size_label
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

POINT_INCHES = 0.1
LEAST_INCHES = 0.3
FINE_SCORES = 0.01
"""Differences of scores are drawn in proportion up to here, and by their logarithms beyond."""


def draw(study: Study) -> Figure:
    """Steps and score against the first variant, the largest stable rate, the usable rates."""
    frame, screened = study.frame, study.screening
    against = study.variants[study.variants["reference"] == frame.first]
    sizes = sorted(set(screened["batch_size"]))
    rows = (len(frame.variants) - 1, len(frame.variants))
    height = max(LEAST_INCHES, POINT_INCHES * len(sizes))
    figure = Figure(figsize=(9.5, 1.8 + height * sum(rows)), layout="constrained")
    above, below = figure.subplots(2, 2, sharey="row", height_ratios=rows)
    points(above[0], against, "steps_ratio", frame.variants[1:])
    points(above[1], against, "score_difference", frame.variants[1:])
    points(below[0], screened, "largest_rate", frame.variants)
    points(below[1], screened, "usable_rates", frame.variants)
    above[0].axvline(1, color="0.4", linewidth=1)
    above[1].axvline(0, color="0.4", linewidth=1)
    log_axis(above[0], against["steps_ratio"], numbers.tick)
    log_axis(below[0], screened["largest_rate"], numbers.rate)
    signed_log(above[1].xaxis, FINE_SCORES)
    below[1].set_xlim(left=-0.3)
    above[0].set_xlabel(f"steps to target / those of {frame.first}")
    above[1].set_xlabel(f"test {frame.score_name} less that of {frame.first}")
    below[0].set_xlabel("largest stable rate")
    below[1].set_xlabel("usable rates")
    size_legend(figure, sizes, frame)
    return figure


def size_looks(sizes: list[int]) -> dict[int, dict[str, Any]]:
    """Colour and marker of a batch size."""
    return {
        size: {"color": colour, "marker": MARKERS[place % len(MARKERS)]}
        for place, (size, colour) in enumerate(size_colours(sizes).items())
    }


def points(axis: Axes, table: pd.DataFrame, column: str, names: tuple[str, ...]) -> None:
    """A row for each variant, the batch sizes from top to bottom; intervals where there are any."""
    sizes = sorted(set(table["batch_size"]))
    apart = 0.7 / max(len(sizes), 1)
    for place, (size, style) in enumerate(size_looks(sizes).items()):
        of_size = table[table["batch_size"] == size].set_index("variant").reindex(names)
        rows = np.arange(len(names)) + apart * (place - (len(sizes) - 1) / 2)
        values = of_size[column].to_numpy(float)
        errors = None
        if f"{column}_low" in of_size:
            low, high = (of_size[f"{column}_{end}"].to_numpy(float) for end in ("low", "high"))
            errors = np.nan_to_num(np.array([values - low, high - values]))
        axis.errorbar(
            values, rows, xerr=errors, linestyle="none", markersize=4, elinewidth=1, **style
        )
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    for row in range(1, len(names)):
        axis.axhline(row - 0.5, color="0.92", linewidth=1, zorder=0)


def log_axis(axis: Axes, values: pd.Series, show: Callable[[float], str]) -> None:
    """A log x axis in plain numbers that ends soon after its points, however wide intervals are."""
    axis.set_xscale("log")
    is_short = False
    if ends := reach(values):
        axis.set_xlim(ends)
        is_short = ends[1] < 100 * ends[0]
    axis.xaxis.set_major_locator(LogLocator(10, (1, 2, 5) if is_short else (1,), numticks=8))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))


def size_legend(figure: Figure, sizes: list[int], frame: Frame) -> None:
    """The batch sizes' looks above all panels."""
    handles = [
        Line2D([], [], linestyle="none", label=size_label(size, frame.examples), **style)
        for size, style in size_looks(sizes).items()
    ]
    figure.legend(
        handles=handles, title="batch size", loc="outside upper center", ncols=len(handles),
        frameon=False, fontsize=9,
    )  # fmt: skip


def caption(study: Study) -> str:
    """Each variant's steps over the first one's."""
    first = study.frame.first
    by_variant = [
        f"{name} {numbers.number(ratio.value)} ({numbers.interval(ratio.low, ratio.high)})"
        if ratio.n
        else f"{name} cannot be compared"
        for name, ratio in study.steps_ratios.items()
    ]
    return (
        f"Against {first}, each variant at its own best rate, paired by seed. Steps to target over "
        f"those of {first}, over all batch sizes: {', '.join(by_variant)}. Bars: 95 % intervals "
        "over seeds; below: the largest rate at which no seed diverges, and how many rates reach "
        "the target."
    )


ILLUSTRATION = Illustration(
    "variants",
    "The variants beside each other",
    "variants",
    draw,
    caption,
    has_data=lambda study: study.frame.has_variants,
)
