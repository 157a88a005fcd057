"""Training to the target: its price, its rates, its steps."""

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.critical import Curve
from pipeline.reporting import text
from pipeline.reporting.axes import (
    EDGE,
    MANY,
    MARKERS,
    Frame,
    batch_axis,
    by_variant,
    half_width,
    plain_log,
    rows_height,
    size_colours,
    size_label,
    to_the_points,
    variant_legend,
    with_band,
)

RING = {
    "markersize": 15, "markerfacecolor": "none", "markeredgecolor": "0.2", "markeredgewidth": 1.4,
}  # fmt: skip
"""Around the recommended points."""
LEAST_SPREAD = 0.002
"""Scores are never told apart more finely than this by an axis."""


def tradeoff(
    table: pd.DataFrame,
    best: pd.Series | None,
    frame: Frame,
    critical: float | None = None,
    memory_bytes: float | None = None,
) -> Figure:
    """Seconds to target above, test score below, against the batch size.

    critical: the critical batch size; memory_bytes: the limit, beyond which batch sizes are shaded.
    """
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    wanted = with_intervals(best, frame)
    for style, name, own in by_variant(table, frame):
        for axis, column in ((above, "seconds_to_target"), (below, "test_score")):
            if name in wanted:
                with_band(axis, own, column, **style)
            else:
                axis.plot(own["batch_size"], own[column], alpha=0.6, markersize=4, **style)
    plain_log(above, text.seconds)
    above.set_ylabel("training time to target")
    above.set_title(f"Target: {frame.target}", loc="left")
    below.set_ylabel(f"test {frame.score_name}, whole budget")
    leave_out_far_below(below, table["test_score"])
    panels = (above, below)
    if best is not None:
        marked(panels, best["batch_size"], f"recommended: {best['batch_size']:.0f}", ":", 0.97)
        for axis, column in ((above, "seconds_to_target"), (below, "test_score")):
            axis.plot(best["batch_size"], best[column], "o", **RING)
    sizes = table["batch_size"]
    if critical is not None and sizes.min() <= critical <= sizes.max():
        marked(panels, critical, f"critical: {text.number(critical)}", "-.", 0.88)
    too_large = sizes[table["peak_bytes"] > memory_bytes] if memory_bytes else sizes[:0]
    if len(too_large):
        for axis in panels:
            axis.axvspan(too_large.min() / EDGE, sizes.max() * EDGE, color="0.5", alpha=0.15)
        marked(panels, too_large.min() / EDGE, "beyond the memory", "-", 0.97)
    variant_legend(figure, frame)
    batch_axis(below, sorted(set(table["batch_size"])), frame.examples)
    return figure


def with_intervals(best: pd.Series | None, frame: Frame) -> tuple[str, ...]:
    """The variants whose intervals are drawn: all, or of many the first and the recommended."""
    if len(frame.variants) <= MANY:
        return frame.variants
    wanted = (frame.variants[0], *([] if best is None else [best["variant"]]))
    return tuple(name for name in frame.variants if name in wanted)


def leave_out_far_below(axis: Axes, scores: pd.Series) -> None:
    """End the axis below the bulk of the scores (Tukey's outer fence), and count what it leaves
    out."""
    first, third = scores.quantile([0.25, 0.75])
    fence = first - 3 * max(third - first, LEAST_SPREAD)
    lost = int((scores < fence).sum())
    if lost:
        shown = scores[scores >= fence]
        room = 0.2 * max(shown.max() - shown.min(), LEAST_SPREAD)
        axis.set_ylim(shown.min() - 2 * room, shown.max() + 2 * room)
        axis.annotate(
            f"▾ {lost} below", (0.99, 0.02), xycoords="axes fraction", ha="right", va="bottom",
            color="0.25",
        )  # fmt: skip


def marked(panels: Iterable[Axes], size: float, words: str, style: str, height: float) -> None:
    """A vertical line at a batch size, with its words in the first panel."""
    first, *others = panels
    for axis in (first, *others):
        axis.axvline(size, color="0.35", linestyle=style, linewidth=1.2, zorder=0)
    first.annotate(
        words,
        (size, height),
        xycoords=("data", "axes fraction"),
        xytext=(5, 0),
        textcoords="offset points",
        va="top",
        color="0.25",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def heatmap(rates: pd.DataFrame, value: str, winner: str, title: str, frame: Frame) -> Figure:
    """Learning rate x batch size, one panel per variant; diverged cells are hatched and counted,
    winners framed, with dashes at the edge of the grid.

    A dash stands where at most half of the seeds reached the target; a rate that was added for
    other batch sizes alone is left blank.
    """
    width = 1.8 + 0.75 * rates["batch_size"].nunique()
    heights = [1.4 + 0.42 * own["lr"].nunique() for _, _, own in by_variant(rates, frame)]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    norm, colours = colour_scale(rates, value)
    for (_, name, own), axis in zip(by_variant(rates, frame), panels, strict=True):
        panel(axis, own, value, norm, colours, frame)
        frame_winners(axis, own, winner)
        axis.set_title(title if len(panels) == 1 else f"{title}: {name}", loc="left")
    return figure


def colour_scale(
    rates: pd.DataFrame, value: str
) -> tuple[mpl.colors.Normalize, mpl.colors.Colormap]:
    """One scale for all variants, on which high scores, or low costs, are light."""
    finite = rates.loc[np.isfinite(rates[value]), value]
    limits = (finite.min(), finite.max()) if len(finite) else (0.1, 1.0)
    # scores crowd at the top, where the choice is made: the power spreads the colours there
    if value == "median_score":
        return mpl.colors.PowerNorm(4, *limits), mpl.colormaps["viridis"]
    return mpl.colors.LogNorm(*limits), mpl.colormaps["viridis_r"]


def panel(
    axis: Axes,
    rates: pd.DataFrame,
    value: str,
    norm: mpl.colors.Normalize,
    colours: mpl.colors.Colormap,
    frame: Frame,
) -> None:
    """One heatmap of ``value``."""
    grid = rates.pivot(index="lr", columns="batch_size", values=value).sort_index(ascending=False)
    lost = rates.pivot(index="lr", columns="batch_size", values="diverged").reindex_like(grid)
    shown = grid.where(np.isfinite(grid))
    trained = rates.pivot(index="lr", columns="batch_size", values="seeds").reindex_like(grid)
    words = shown.map(text.number).where(trained.notna(), "")
    for lr, size in zip(*np.nonzero(lost.to_numpy() > 0), strict=True):
        words.iloc[lr, size] = f"✕{lost.iloc[lr, size]:.0f}"
        axis.add_patch(
            mpl.patches.Rectangle(
                (size, lr), 1, 1, fill=False, hatch="////", edgecolor="0.55", linewidth=0
            )
        )
    axis.set_facecolor("#f2f2f2")
    axis.grid(visible=False)
    sns.heatmap(
        shown, ax=axis, norm=norm, vmin=norm.vmin, vmax=norm.vmax, cmap=colours,
        annot=words, fmt="", cbar=False, xticklabels=False, yticklabels=False,
        annot_kws={"fontsize": 8}, linewidths=0.5,
    )  # fmt: skip
    label_missing(axis, shown, words)
    sizes = [size_label(size, frame.examples) for size in grid.columns]
    axis.set_xticks(np.arange(len(sizes)) + 0.5, sizes)
    axis.set_yticks(np.arange(len(grid)) + 0.5, [text.rate(lr) for lr in grid.index])
    axis.set_xlabel("batch size")
    axis.set_ylabel("learning rate")


def frame_winners(axis: Axes, rates: pd.DataFrame, winner: str) -> None:
    """A frame around each batch size's winner."""
    sizes = sorted(set(rates["batch_size"]))
    descending = sorted(set(rates["lr"]), reverse=True)
    for row in rates[rates[winner] != ""].to_dict("records"):
        corner = (sizes.index(row["batch_size"]) + 0.04, descending.index(row["lr"]) + 0.06)
        style = "--" if row[winner] == "edge" else "-"
        axis.add_patch(
            mpl.patches.Rectangle(
                corner, 0.92, 0.88, fill=False, edgecolor="0.1", linewidth=1.6, linestyle=style
            )
        )


def label_missing(axis: Axes, shown: pd.DataFrame, words: pd.DataFrame) -> None:
    """Write the marks of cells without a value, which seaborn leaves out."""
    for row, column in zip(*np.nonzero(shown.isna().to_numpy()), strict=True):
        axis.text(
            column + 0.5, row + 0.5, words.iloc[row, column],
            ha="center", va="center", fontsize=8, color="0.2",
            bbox={"facecolor": "#f2f2f2", "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def curves(history: pd.DataFrame, frame: Frame) -> Figure:
    """Median validation score of each batch size's fastest rate, against steps and epochs."""
    rows = len(frame.variants)
    figure = Figure(figsize=(9.5, rows_height(3.8, frame)), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False, sharey=True)
    sizes = sorted(set(history["batch_size"]))
    colours = size_colours(sizes)
    for (_, name, own), pair in zip(by_variant(history, frame), panels, strict=True):
        for axis, time in zip(pair, ("step", "epoch"), strict=True):
            for size, curve in own.groupby("batch_size"):
                median = curve.groupby(time)["val_score"].median()
                label = size_label(size, frame.examples)
                axis.plot(median.index, median, color=colours[size], label=label)
            axis.set_xscale("log")
            axis.set_xlabel(f"{time}s")
            axis.set_title(name if rows > 1 else "", loc="left")
        pair[0].set_ylabel(f"validation {frame.score_name}")
        lowest = own["val_score"].quantile(0.02)
        pair[0].set_ylim(bottom=max(lowest, -0.2), top=own["val_score"].max() + 0.02)
    panels[0][1].legend(title="batch size", frameon=False, fontsize=8, loc="lower right")
    return figure


def steps(table: pd.DataFrame, fits: Mapping[str, Curve], frame: Frame) -> Figure:
    """Steps and examples to target against the batch size, with the fitted curves, or lines
    between the points where there is none, and the line of perfect scaling."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    table = with_examples_interval(table)
    for style, name, own in by_variant(table, frame):
        points = {**style, "linestyle": "none"} if name in fits else style
        with_band(left, own, "steps_to_target", **points)
        with_band(right, own, "examples_to_target", **points)
        if name in fits:
            sizes = np.geomspace(own["batch_size"].min(), own["batch_size"].max(), 100)
            line = {**style, "marker": "", "linewidth": 1.2}
            left.plot(sizes, fits[name].steps(sizes), **line)
            right.plot(sizes, sizes * fits[name].steps(sizes), **line)
    perfect_scaling(left, table[table["variant"] == frame.variants[0]])
    for axis, name in ((left, "steps_to_target"), (right, "examples_to_target")):
        to_the_points(axis, table[name])
        plain_log(axis)
        half_width(axis, name.replace("_", " "), table, frame)
    variant_legend(figure, frame)
    return figure


def with_examples_interval(table: pd.DataFrame) -> pd.DataFrame:
    """Bounds of the examples to target, as far from it as those of the steps."""
    ratio = table["examples_to_target"] / table["steps_to_target"]
    ends = {f"examples_to_target_{end}": table[f"steps_to_target_{end}"] * ratio
            for end in ("low", "high")}  # fmt: skip
    return table.assign(**ends)


def perfect_scaling(axis: Axes, table: pd.DataFrame) -> None:
    """Half the steps for twice the batch, from the smallest batch size that reached the target."""
    done = table.dropna(subset=["steps_to_target"])
    if len(done):
        ideal = done.iloc[0]["examples_to_target"] / done["batch_size"]
        label = "batch × steps constant"
        axis.plot(done["batch_size"], ideal, "--", color="0.5", label=label, zorder=1)
        axis.legend(frameon=False)


def budgets(table: pd.DataFrame, frame: Frame) -> Figure:
    """The best validation score against the batch size under each budget, a panel per variant."""
    names = list(dict.fromkeys(table["budget"]))
    figure = Figure(figsize=(7.5, rows_height(3.6, frame)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 1, squeeze=False)[:, 0]
    colours = sns.color_palette("colorblind", len(names))
    for (_, variant, own), axis in zip(by_variant(table, frame), panels, strict=True):
        for index, name in enumerate(names):
            part = own[own["budget"] == name]
            style = {"color": colours[index], "marker": MARKERS[index]}
            with_band(axis, part, "val_score", label=name, **style)
        batch_axis(axis, sorted(set(table["batch_size"])), frame.examples)
        axis.set_ylabel(f"validation {frame.score_name}")
        axis.set_title(variant if len(panels) > 1 else "", loc="left")
    panels[0].legend(frameon=False)
    return figure
