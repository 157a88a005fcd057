"""The values of a setting that variants differ in alone: which is best at each batch size."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from pipeline.analysis.study import Study
from pipeline.analysis.sweep import CRITERIA, LOSS, STEPS, Sweep, best
from pipeline.reporting.figures.axes import (
    batch_axis,
    plain_log,
    size_colours,
    size_label,
    to_the_points,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

ROW_INCHES = 3.4
SHORT = {STEPS: "for steps", LOSS: "for loss"}
CHOSEN = {STEPS: "fewest steps to the target", LOSS: "lowest validation loss"}
GREY: dict[str, Any] = {"color": "0.25", "linewidth": 1, "fillstyle": "none"}
LOOKS = {
    STEPS: {**GREY, "marker": "o", "linestyle": "-"},
    LOSS: {**GREY, "marker": "s", "markersize": 10, "linestyle": "--"},
}


def draw(study: Study) -> Figure:
    """A row for each setting: what its values come to by either criterion, and the best ones."""
    rows = len(study.sweeps)
    figure = Figure(figsize=(9.5, 0.5 + ROW_INCHES * rows), layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False)
    sizes = sorted(set(study.sweep_table["batch_size"]))
    for swept, row in zip(study.sweeps, panels, strict=True):
        for axis, criterion in zip(row, CRITERIA, strict=False):
            of_values(axis, study, swept, criterion)
        best_values(row[-1], study, swept)
    handles = [
        Line2D([], [], color=colour, marker="o", label=size_label(size, study.frame.examples))
        for size, colour in size_colours(sizes).items()
    ]
    figure.legend(
        handles=handles, title="batch size", loc="outside upper center", ncols=len(handles),
        frameon=False, fontsize=9,
    )  # fmt: skip
    return figure


def of_values(axis: Axes, study: Study, swept: Sweep, criterion: str) -> None:
    """What each value comes to, a line for each batch size."""
    table = study.sweep_table
    colours = size_colours(sorted(set(table["batch_size"])))
    table = table[(table["name"] == swept.name) & (table["criterion"] == criterion)]
    for size, colour in colours.items():
        rows = table[table["batch_size"] == size]
        bounds = [rows["outcome"] - rows["outcome_low"], rows["outcome_high"] - rows["outcome"]]
        axis.errorbar(
            rows["value"], rows["outcome"], np.nan_to_num(np.array(bounds)), color=colour,
            marker="o", markersize=4, elinewidth=1,
        )  # fmt: skip
    value_axis(axis, swept)
    axis.set_ylabel(criterion)
    if not np.isfinite(table["outcome"]).any():
        axis.set_yticks([])
        return
    axis.set_yscale("log")
    to_the_points(axis, table["outcome"])
    plain_log(axis)


def value_axis(axis: Axes, swept: Sweep) -> None:
    """A log axis with a tick at every value."""
    axis.set_xscale("log")
    values = sorted(set(swept.values.values()))
    axis.set_xticks(values, [f"{value:.3g}" for value in values])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel(swept.label)


def best_values(axis: Axes, study: Study, swept: Sweep) -> None:
    """The best values by batch size, and where the curves that move with it are lowest."""
    table, frame = study.sweep_table, study.frame
    table = table[table["name"] == swept.name]
    sizes = sorted(set(table["batch_size"]))
    ends = np.array([sizes[0], sizes[-1]], dtype=float)
    for criterion, look in LOOKS.items():
        chosen = best(table[table["criterion"] == criterion])
        axis.plot(chosen["batch_size"], chosen["value"], **{**look, "linestyle": "none"})
        shift = study.sweep_shifts[swept.name][criterion]
        if shift.power.low > 0 or shift.power.high < 0:
            axis.plot(ends, shift.best_value(ends), **{**look, "marker": "none"})
        axis.plot([], [], label=SHORT[criterion], **look)
    axis.set_ylabel(f"best {swept.label}")
    values = sorted(set(swept.values.values()))
    axis.set_ylim(values[0] / 1.5, values[-1] * 1.5)
    axis.set_yscale("log")
    axis.set_yticks(values, [f"{value:.3g}" for value in values])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.legend(frameon=False, fontsize=9)
    batch_axis(axis, sizes, frame.examples)


def caption(study: Study) -> str:
    """How the best value of each setting moves."""
    told = " ".join(moves(study, swept) for swept in study.sweeps)
    return (
        "Variants that differ in one setting, each with its own best rates; bars: 95 % intervals "
        f"over {study.seeds_named}, of each value alone. {told} Circles and squares: the best "
        "value tried; lines, where a power is told from 0: the lowest point of the curve that "
        "moves."
    )


def moves(study: Study, swept: Sweep) -> str:
    """The powers by which the best values go with the batch size."""
    shifts = study.sweep_shifts[swept.name]
    powers = [
        f"as B^{numbers.exponent(shifts[criterion].power)} for the {CHOSEN[criterion]}"
        for criterion in CRITERIA
        if np.isfinite(shifts[criterion].power.value)
    ]
    if not powers:
        return f"How curves over the {swept.label} move is not known: they hardly change."
    return f"The curves over the {swept.label} move {' and '.join(powers)}."


ILLUSTRATION = Illustration(
    "sweeps",
    "Settings against the batch size",
    "sweeps",
    draw,
    caption,
    has_data=lambda study: bool(study.sweeps),
)
