"""The figures, each a function of tables, written as SVG and PNG."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipeline.reporting import text

STYLE = {
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook", font_scale=0.9),
    "svg.hashsalt": "batchwise",
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "figure.dpi": 150,  # of the PNGs: text laid out at another would be cut
}
MARKERS = "osD^vP*X"
EDGE = 1.4
"""How far an empty log axis of counts reaches beyond its ends."""
SHORT_AXIS = 3e3
"""Up to this ratio of its ends a log axis has more than one label in a decade."""


@dataclass(frozen=True)
class Frame:
    """What every figure of one report shares."""

    examples: int
    score_name: str
    target: str
    variants: tuple[str, ...]


def size_label(size: int, examples: int) -> str:
    """A batch size on an axis; the whole training part by its name."""
    return "full" if size == examples else str(size)


def counts_axis(axis: Axes, counts: Iterable[int], label: str, names: Sequence[str] = ()) -> None:
    """A log axis of whole numbers with a tick at each of ``counts``, by its name if it has one."""
    ticks = sorted(set(counts))
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(ticks, list(names) or [str(count) for count in ticks])
    if ticks and not np.isfinite(axis.dataLim.intervalx).all():  # nothing drawn to take them from
        axis.set_xlim(ticks[0] / EDGE, ticks[-1] * EDGE)
    axis.set_xlabel(label)


def batch_axis(axis: Axes, sizes: list[int], examples: int) -> None:
    """A log axis whose ticks are the batch sizes measured."""
    counts_axis(axis, sizes, "batch size", [size_label(size, examples) for size in sizes])


def half_width(axis: Axes, label: str, table: pd.DataFrame, frame: Frame) -> None:
    """Labels of a panel that shares its row: small ticks, so that the batch sizes do not touch."""
    axis.set_ylabel(label)
    batch_axis(axis, sorted(set(table["batch_size"])), frame.examples)
    axis.tick_params(axis="x", labelsize=8)


def plain_log(axis: Axes, show: Callable[[float], str] = text.number, base: int = 10) -> None:
    """A log y axis labelled in plain numbers: at 1, 2 and 5, over many decades or to another base
    at the powers alone. Call it when everything is drawn."""
    axis.set_yscale("log", base=base)
    low, high = axis.get_ylim()
    is_short = base == 10 and high / low < SHORT_AXIS
    axis.yaxis.set_major_locator(LogLocator(base, subs=(1, 2, 5) if is_short else (1,)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axis.yaxis.set_minor_locator(NullLocator())


def by_variant(table: pd.DataFrame, frame: Frame) -> Iterator[tuple[int, str, pd.DataFrame]]:
    """The table's variants in the grid's order."""
    for index, name in enumerate(frame.variants):
        yield index, name, table[table["variant"] == name].sort_values("batch_size")


def with_band(axis: Axes, table: pd.DataFrame, column: str, variant: int, **style: object) -> None:
    """Points joined by a line, with the interval as error bars; hollow where there is none."""
    values = table[column].to_numpy(dtype=float)
    low, high = (table[f"{column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    errors = np.nan_to_num(np.array([values - low, high - values]), nan=0.0)
    axis.errorbar(
        table["batch_size"],
        values,
        errors,
        marker=MARKERS[variant % len(MARKERS)],
        capsize=3,
        **style,  # type: ignore[arg-type]
    )
    bare = table[np.isnan(low)]
    axis.plot(
        bare["batch_size"],
        bare[column],
        linestyle="none",
        marker=MARKERS[variant % len(MARKERS)],
        markerfacecolor="white",
        color=style.get("color"),
        zorder=5,
    )


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
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    colours = sns.color_palette("colorblind", len(frame.variants))
    for index, name, own in by_variant(table, frame):
        with_band(above, own, "seconds_to_target", index, color=colours[index], label=name)
        with_band(below, own, "test_score", index, color=colours[index], label=name)
    plain_log(above, text.seconds)
    above.set_ylabel("training time to target")
    above.set_title(f"Target: {frame.target}", loc="left")
    below.set_ylabel(f"test {frame.score_name}, best rate")
    panels = (above, below)
    if best is not None:
        marked(panels, best["batch_size"], f"recommended: {best['batch_size']:.0f}", ":", 0.97)
    sizes = table["batch_size"]
    if critical is not None and sizes.min() <= critical <= sizes.max():
        marked(panels, critical, f"critical: {text.number(critical)}", "-.", 0.88)
    too_large = sizes[table["peak_bytes"] > memory_bytes] if memory_bytes else sizes[:0]
    if len(too_large):
        for axis in panels:
            axis.axvspan(too_large.min() / EDGE, sizes.max() * EDGE, color="0.5", alpha=0.15)
        marked(panels, too_large.min() / EDGE, "beyond the memory", "-", 0.97)
    if len(frame.variants) > 1:
        above.legend(frameon=False)
    batch_axis(below, sorted(set(table["batch_size"])), frame.examples)
    return figure


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
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
    )


def heatmap(rates: pd.DataFrame, value: str, title: str, frame: Frame, log_colour: bool) -> Figure:
    """Learning rate x batch size, one panel per variant; diverged cells are hatched and counted.

    A dash stands where at most half of the seeds reached the target; a rate that was added for
    other batch sizes alone is left blank.
    """
    width = 1.8 + 0.75 * rates["batch_size"].nunique()
    height = 1.4 + 0.42 * rates["lr"].nunique()
    figure = Figure(figsize=(width, height * len(frame.variants)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 1, squeeze=False)[:, 0]
    norm, colours = colour_scale(rates, value, log_colour)
    for (_, name, own), axis in zip(by_variant(rates, frame), panels, strict=True):
        panel(axis, own, value, norm, colours, frame)
        axis.set_title(title if len(panels) == 1 else f"{title}: {name}", loc="left")
    return figure


def colour_scale(
    rates: pd.DataFrame, value: str, log: bool
) -> tuple[mpl.colors.Normalize, mpl.colors.Colormap]:
    """One scale for all variants, on which high scores, or low costs (``log``), are light."""
    finite = rates.loc[np.isfinite(rates[value]), value]
    limits = (finite.min(), finite.max()) if len(finite) else (0.1, 1.0)
    # scores crowd at the top, where the choice is made: the power spreads the colours there
    norm = mpl.colors.LogNorm(*limits) if log else mpl.colors.PowerNorm(4, *limits)
    return norm, mpl.colormaps["viridis_r" if log else "viridis"]


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
        annot=words, fmt="", cbar=False,
        annot_kws={"fontsize": 8}, linewidths=0.5,
    )  # fmt: skip
    label_missing(axis, shown, words)
    axis.set_xticklabels([size_label(size, frame.examples) for size in grid.columns], rotation=0)
    axis.set_yticklabels([text.rate(lr) for lr in grid.index], rotation=0)
    axis.set_xlabel("batch size")
    axis.set_ylabel("learning rate")


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
    figure = Figure(figsize=(9.5, 3.8 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False, sharey=True)
    sizes = sorted(set(history["batch_size"]))
    colours = dict(zip(sizes, sns.color_palette("viridis", len(sizes)), strict=True))
    for index, name, own in by_variant(history, frame):
        for axis, time in zip(panels[index], ("step", "epoch"), strict=True):
            for size, curve in own.groupby("batch_size"):
                median = curve.groupby(time)["val_score"].median()
                label = size_label(size, frame.examples)
                axis.plot(median.index, median, color=colours[size], label=label)
            axis.set_xscale("log")
            axis.set_xlabel(f"{time}s")
            axis.set_title(name if rows > 1 else "", loc="left")
        panels[index][0].set_ylabel(f"validation {frame.score_name}")
        lowest = own["val_score"].quantile(0.02)
        panels[index][0].set_ylim(bottom=max(lowest, -0.2), top=own["val_score"].max() + 0.02)
    panels[0][1].legend(title="batch size", frameon=False, fontsize=8, loc="lower right")
    return figure


def steps(table: pd.DataFrame, frame: Frame) -> Figure:
    """Steps and examples to target against the batch size, with the perfect-scaling line."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = sns.color_palette("colorblind", len(frame.variants))
    for index, name, own in by_variant(table, frame):
        style = {"color": colours[index], "label": name}
        with_band(left, own, "steps_to_target", index, **style)
        right.plot(own["batch_size"], own["examples_to_target"], marker=MARKERS[index % 8], **style)
        done = own.dropna(subset=["steps_to_target"])
        if index == 0 and not done.empty:
            first = done.iloc[0]
            ideal = first["examples_to_target"] / done["batch_size"]
            left.plot(done["batch_size"], ideal, "--", color="0.5", label="batch × steps constant")
    for axis, label in ((left, "steps to target"), (right, "examples to target")):
        plain_log(axis)
        half_width(axis, label, table, frame)
    left.legend(frameon=False)
    return figure
