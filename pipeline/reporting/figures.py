"""The figures, each a function of tables, written as SVG and PNG."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipeline.analysis.critical import Critical, Runs
from pipeline.analysis.descent import Example
from pipeline.analysis.lines import Bend
from pipeline.analysis.statistics import Estimate
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
    "figure.dpi": 120,
}
MARKERS = "osD^vP*X"


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


def batch_axis(axis: Axes, sizes: list[int], examples: int) -> None:
    """A log axis whose ticks are the batch sizes measured."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    labels = [size_label(size, examples) for size in sizes]
    axis.set_xticks(sizes, labels)
    axis.set_xlabel("batch size")


def half_width(axis: Axes, label: str, table: pd.DataFrame, frame: Frame) -> None:
    """Labels of a panel that shares its row: small ticks, so that the batch sizes do not touch."""
    axis.set_ylabel(label)
    batch_axis(axis, sorted(set(table["batch_size"])), frame.examples)
    axis.tick_params(axis="x", labelsize=8)


def plain_log(axis: Axes, show: Callable[[float], str] = text.number, base: int = 10) -> None:
    """A log y axis labelled in plain numbers: at 1, 2 and 5, or at the powers of another base."""
    axis.set_yscale("log", base=base)
    axis.yaxis.set_major_locator(LogLocator(base, subs=(1, 2, 5) if base == 10 else (1,)))
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


def tradeoff(table: pd.DataFrame, best: pd.Series | None, frame: Frame) -> Figure:
    """Seconds to target above, test score below, against the batch size."""
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
    if best is not None:
        for axis in (above, below):
            axis.axvline(best["batch_size"], color="0.35", linestyle=":", zorder=0)
        above.annotate(
            f"recommended: {best['batch_size']:.0f}",
            (best["batch_size"], 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            va="top",
            color="0.25",
        )
    if len(frame.variants) > 1:
        above.legend(frameon=False)
    batch_axis(below, sorted(set(table["batch_size"])), frame.examples)
    return figure


def heatmap(rates: pd.DataFrame, value: str, title: str, frame: Frame, log_colour: bool) -> Figure:
    """Learning rate x batch size, one panel per variant; diverged cells are hatched and counted.

    A dash stands where at most half of the seeds reached the target; a rate that was added for
    other batch sizes alone is left blank.
    """
    width = 1.8 + 0.75 * rates["batch_size"].nunique()
    height = 1.4 + 0.42 * rates["lr"].nunique()
    figure = Figure(figsize=(width, height * len(frame.variants)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 1, squeeze=False)[:, 0]
    finite = rates.loc[np.isfinite(rates[value]), value]
    limits = (finite.min(), finite.max()) if len(finite) else (0.1, 1.0)
    # scores crowd at the top, where the choice is made: the power spreads the colours there
    norm = mpl.colors.LogNorm(*limits) if log_colour else mpl.colors.PowerNorm(4, *limits)
    for (_, name, own), axis in zip(by_variant(rates, frame), panels, strict=True):
        panel(axis, own, value, norm, frame)
        axis.set_title(title if len(panels) == 1 else f"{title}: {name}", loc="left")
    return figure


def panel(
    axis: Axes, rates: pd.DataFrame, value: str, norm: mpl.colors.Normalize, frame: Frame
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
    colours = "viridis_r" if isinstance(norm, mpl.colors.LogNorm) else "viridis"
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


def throughput(timed: pd.DataFrame, table: pd.DataFrame, bend: Bend | None, frame: Frame) -> Figure:
    """Examples per second, seconds per step with its parts, and memory, against the batch size.

    Joined points are the grid's, loose ones the other sizes; the bend is the first variant's.
    """
    figure = Figure(figsize=(9.5, 7.2), layout="constrained")
    axes = figure.subplot_mosaic([["rate", "rate"], ["seconds", "memory"]])
    colours = sns.color_palette("colorblind", max(len(frame.variants), 4))
    panels = (("rate", "examples_per_second"), ("seconds", "seconds_per_step"))
    for index, name, own in by_variant(timed, frame):
        whole, grid = own[own["micro_batches"] == 1], own[own["in_grid"]]
        for panel_name, column in panels:
            axes[panel_name].plot(
                whole["batch_size"], whole[column], ".", color=colours[index], alpha=0.45
            )
        for panel_name, column in (*panels, ("memory", "peak_bytes")):
            axes[panel_name].plot(
                grid["batch_size"], grid[column], marker=MARKERS[index % 8],
                color=colours[index], label=name,
            )  # fmt: skip
    labels = (
        ("rate", "examples per second", text.number, 10),
        ("seconds", "time per step", text.seconds, 10),
        ("memory", "peak memory of a training", text.size, 2),
    )
    for panel_name, label, show, base in labels:
        plain_log(axes[panel_name], show, base)
        half_width(axes[panel_name], label, table, frame)
    step_parts(axes["seconds"], timed[timed["variant"] == frame.variants[0]])
    mark_bend(axes["rate"], bend)
    mark_limit(axes["memory"], timed)
    if len(frame.variants) > 1:
        axes["memory"].legend(frameon=False)
    return figure


def step_parts(axis: Axes, timed: pd.DataFrame) -> None:
    """The parts of the first variant's steps as thin lines named at their end."""
    grid = timed.dropna(subset=["seconds_forward"]).sort_values("batch_size")
    styles = {"gather": ":", "forward": "--", "backward": "-.", "update": (0, (1, 3))}
    for part, style in styles.items():
        axis.plot(
            grid["batch_size"], grid[f"seconds_{part}"],
            linestyle=style, color="0.45", linewidth=1.2, label=part,
        )  # fmt: skip
    lines = [line for line in axis.lines if line.get_label() in styles]
    axis.legend(handles=lines, frameon=False, fontsize=8, ncols=2, loc="upper left")
    axis.set_ylim(top=3 * timed["seconds_per_step"].max())


def mark_bend(axis: Axes, bend: Bend | None) -> None:
    """The saturation point with its interval."""
    if bend is not None:
        at = bend.at
        axis.axvspan(at.low, at.high, color="0.88", zorder=0)
        axis.axvline(at.value, color="0.35", linestyle=":", zorder=1)
        axis.annotate(
            f"saturates at {at.value:.0f} ({at.low:.0f} to {at.high:.0f})",
            (at.low, 0.94), xycoords=("data", "axes fraction"), xytext=(-6, 0),
            textcoords="offset points", color="0.25", ha="right", va="top",
        )  # fmt: skip


def mark_limit(axis: Axes, timed: pd.DataFrame) -> None:
    """The memory that may be used, where it is near enough to be seen beside the data."""
    limit, most = timed["limit_bytes"].max(), timed["peak_bytes"].max()
    if limit < 32 * most:
        axis.axhline(limit, color="0.35", linestyle=":")
        axis.annotate(
            "limit", (0.02, limit), xycoords=("axes fraction", "data"), va="bottom", color="0.25"
        )


def power_of_two(pairs: pd.DataFrame, margin: float, frame: Frame) -> Figure:
    """The speed of aligned batch sizes over that of their neighbours."""
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axis = figure.subplots()
    colours = sns.color_palette("colorblind", 2)
    axis.axhspan(1 - margin, 1 + margin, color="0.92", zorder=0)
    axis.axhline(1, color="0.5", linewidth=1)
    for index, kind in enumerate(("powers of two", "multiples of 32")):
        own = pairs[pairs["kind"] == kind]
        axis.plot(
            own["batch_size"], own["speed_up"], MARKERS[index], color=colours[index],
            label=kind,
        )  # fmt: skip
    sizes = [size for size in sorted(pairs["batch_size"]) if size & (size - 1) == 0]
    batch_axis(axis, sizes, frame.examples)
    axis.set_ylabel("speed over neighbours' mean")
    axis.legend(frameon=False)
    return figure


def accumulate(table: pd.DataFrame, frame: Frame) -> Figure:
    """Time per step and memory of the largest batch against the number of micro-batches."""
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axis = figure.subplots()
    colours = sns.color_palette("colorblind", max(len(frame.variants), 1))
    for index, name in enumerate(frame.variants):
        own = table[table["variant"] == name]
        suffix = f", {name}" if len(frame.variants) > 1 else ""
        style = {"marker": MARKERS[index % 8], "color": colours[index]}
        axis.plot(own["micro_batches"], own["relative_seconds"], label=f"time{suffix}", **style)
        axis.plot(
            own["micro_batches"], own["relative_bytes"], linestyle="--", label=f"memory{suffix}",
            **style,
        )  # fmt: skip
    axis.axhline(1, color="0.5", linewidth=1)
    plain_log(axis, base=2)
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    counts = sorted(set(table["micro_batches"]))
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.set_xlabel("micro-batches")
    axis.set_ylabel("relative to the whole batch")
    axis.legend(frameon=False)
    return figure


def data_parallel(best: pd.DataFrame, frame: Frame) -> Figure:
    """Predicted seconds to target against the number of devices, each at its best batch size."""
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axis = figure.subplots()
    colours = sns.color_palette("colorblind", len(frame.variants))
    for index, name in enumerate(frame.variants):
        own = best[best["variant"] == name]
        axis.plot(
            own["devices"], own["seconds_to_target"], "--", marker=MARKERS[index % 8],
            markerfacecolor="white", color=colours[index], label=name,
        )  # fmt: skip
        for row in own.itertuples():
            axis.annotate(
                size_label(row.batch_size, frame.examples), (row.devices, row.seconds_to_target),
                xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8, color="0.25",
            )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    devices = sorted(set(best["devices"]))
    axis.set_xticks(devices, [str(count) for count in devices])
    plain_log(axis, text.seconds)
    axis.margins(y=0.2)
    axis.set_xlabel("devices")
    axis.set_ylabel("predicted time to target")
    if len(frame.variants) > 1:
        axis.legend(frameon=False)
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


def budgets(table: pd.DataFrame, frame: Frame) -> Figure:
    """The best validation score against the batch size under each budget, a panel per variant."""
    names = list(dict.fromkeys(table["budget"]))
    figure = Figure(figsize=(7.5, 3.6 * len(frame.variants)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 1, squeeze=False)[:, 0]
    colours = sns.color_palette("colorblind", len(names))
    for (_, variant, own), axis in zip(by_variant(table, frame), panels, strict=True):
        for index, name in enumerate(names):
            part = own[own["budget"] == name]
            with_band(axis, part, "val_score", index, color=colours[index], label=name)
        batch_axis(axis, sorted(set(table["batch_size"])), frame.examples)
        axis.set_ylabel(f"validation {frame.score_name}")
        axis.set_title(variant if len(panels) > 1 else "", loc="left")
    panels[0].legend(frameon=False)
    return figure


def rates(window: pd.DataFrame, slope: Estimate, frame: Frame) -> Figure:
    """The best rate and the window of rates that reach the target, against the batch size."""
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axis = figure.subplots()
    colours = sns.color_palette("colorblind", len(frame.variants))
    for index, name, own in by_variant(window, frame):
        spread = 1 + 0.04 * (index - (len(frame.variants) - 1) / 2)
        sizes = own["batch_size"] * spread
        axis.vlines(
            sizes, own["lowest"], own["highest"], color=colours[index], alpha=0.35, linewidth=6
        )
        axis.plot(sizes, own["refined_lr"], MARKERS[index % 8], color=colours[index], label=name)
    first = window[(window["variant"] == frame.variants[0]) & ~window["at_edge"]]
    if slope.n >= 3:
        logs = np.log(first["batch_size"])
        level = np.exp(np.log(first["refined_lr"]).mean() - slope.value * logs.mean())
        line = level * first["batch_size"] ** slope.value
        axis.plot(first["batch_size"], line, "--", color="0.4", linewidth=1)
    plain_log(axis, text.rate)
    batch_axis(axis, sorted(set(window["batch_size"])), frame.examples)
    axis.set_ylabel("learning rate")
    if len(frame.variants) > 1:
        axis.legend(frameon=False)
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
        axis.title.set_fontsize(10)
        axis.grid(visible=False)
    figure.axes[0].set_ylabel("x₁")
    return figure
