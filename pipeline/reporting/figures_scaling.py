"""What the batch size does to training: critical batch size, budgets, rates, descent."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from pipeline.analysis.critical import Critical, Runs
from pipeline.analysis.descent import Example
from pipeline.analysis.statistics import Estimate
from pipeline.reporting import text
from pipeline.reporting.axes import (
    Frame,
    batch_axis,
    beside,
    by_variant,
    plain_log,
    variant_legend,
)


def critical(runs: Runs, found: Critical, frame: Frame) -> Figure:
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
    above.plot(line, line * found.curve.steps(line), color="0.25", label="S_min + E_min / B")
    above.plot(line, line * found.sharper.steps(line), ":", color=colours[1], label="free knee")
    for axis in (above, below):
        axis.axvspan(
            max(found.low, sizes[0]), min(found.high, sizes[-1]), color="0.9", zorder=0, linewidth=0
        )
        axis.axvline(found.curve.critical, color="0.35", linestyle=":", zorder=1)
    plain_log(above)
    above.set_ylabel("examples to target")
    above.legend(frameon=False, fontsize=9)
    missing = runs.steps[hit] / found.curve.steps(runs.batch_size[hit])
    below.plot(runs.batch_size[hit], missing, "o", color=colours[0], alpha=0.6)
    below.axhline(1, color="0.25", linewidth=1)
    plain_log(below)
    below.set_ylabel("steps / curve")
    batch_axis(below, [int(size) for size in sizes], frame.examples)
    return figure


def rates(window: pd.DataFrame, slope: Estimate, frame: Frame) -> Figure:
    """The best rate and the window of rates that reach the target, against the batch size."""
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axis = figure.subplots()
    for style, name, own in by_variant(window, frame):
        sizes = beside(own["batch_size"], name, frame, 0.04)
        axis.vlines(
            sizes, own["lowest"], own["highest"], color=style["color"], alpha=0.35, linewidth=6
        )
        axis.plot(sizes, own["refined_lr"], **{**style, "linestyle": "none"})
    first = window[(window["variant"] == frame.variants[0]) & window["settled"]]
    if slope.n >= 3:
        logs = np.log(first["batch_size"])
        level = np.exp(np.log(first["refined_lr"]).mean() - slope.value * logs.mean())
        line = level * first["batch_size"] ** slope.value
        axis.plot(first["batch_size"], line, "--", color="0.4", linewidth=1)
    plain_log(axis, text.rate)
    batch_axis(axis, sorted(set(window["batch_size"])), frame.examples)
    axis.set_ylabel("learning rate")
    variant_legend(figure, frame)
    return figure


def descent(examples: tuple[Example, ...]) -> Figure:
    """The paths of gradient descent on contours of their functions."""
    figure = Figure(figsize=(9.5, 2.9), layout="constrained")
    grid = np.linspace(-5, 5, 81)
    x0, x1 = np.meshgrid(grid, grid)
    for axis, example in zip(figure.subplots(1, len(examples), sharey=True), examples, strict=True):
        values = np.array(
            [example.function(point) for point in np.stack([x0, x1], -1).reshape(-1, 2)]
        )
        axis.contour(x0, x1, values.reshape(x0.shape), levels=12, cmap="Greys", linewidths=0.6)
        path = example.path()
        axis.plot(path[:, 0], path[:, 1], "o-", markersize=3, linewidth=1, color="#0173b2")
        axis.plot(*path[0], "s", color="#de8f05", markersize=6)
        axis.set(xlim=(-5, 5), ylim=(-5, 5), aspect="equal", xlabel="x₀", title=example.name)
        axis.set_xticks([-4, -2, 0, 2, 4])
        axis.title.set_fontsize(10)
        axis.grid(visible=False)
    figure.axes[0].set_ylabel("x₁")
    return figure
