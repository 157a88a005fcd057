"""What the machine does: throughput, memory, alignment, micro-batches, more devices."""

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.analysis.lines import Bend
from pipeline.reporting import text
from pipeline.reporting.axes import (
    MARKERS,
    Frame,
    batch_axis,
    by_variant,
    counts_axis,
    half_width,
    plain_log,
    size_label,
    variant_legend,
)


def throughput(timed: pd.DataFrame, table: pd.DataFrame, bend: Bend | None, frame: Frame) -> Figure:
    """Examples per second, seconds per step with its parts, and memory, against the batch size.

    Joined points are the grid's, loose ones the other sizes; the bend is the first variant's.
    """
    figure = Figure(figsize=(9.5, 7.2), layout="constrained")
    axes = figure.subplot_mosaic([["rate", "rate"], ["seconds", "memory"]])
    panels = (("rate", "examples_per_second"), ("seconds", "seconds_per_step"))
    for style, _, own in by_variant(timed, frame):
        whole, grid = own[own["micro_batches"] == 1], own[own["in_grid"]]
        for panel_name, column in panels:
            axes[panel_name].plot(
                whole["batch_size"], whole[column], ".", color=style["color"], alpha=0.45
            )
        for panel_name, column in (*panels, ("memory", "peak_bytes")):
            axes[panel_name].plot(grid["batch_size"], grid[column], **style)
    labels = (
        ("rate", "examples per second", text.tick, 10),
        ("seconds", "time per step", text.seconds, 10),
        ("memory", "peak memory of a training", text.size, 2),
    )
    for panel_name, label, show, base in labels:
        plain_log(axes[panel_name], show, base)
        half_width(axes[panel_name], label, table, frame)
    step_parts(axes["seconds"], timed[timed["variant"] == frame.variants[0]])
    mark_bend(axes["rate"], bend)
    mark_limit(axes["memory"], timed)
    variant_legend(figure, frame)
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
            f"bends at {at.value:.0f} ({at.low:.0f} to {at.high:.0f})",
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
    parts: dict[str, tuple[str, Any]]
    parts = {"time": ("relative_seconds", "-"), "memory": ("relative_bytes", ":")}
    for style, _, own in by_variant(table, frame):
        for column, line in parts.values():
            axis.plot(own["micro_batches"], own[column], **{**style, "linestyle": line})
    axis.axhline(1, color="0.5", linewidth=1)
    plain_log(axis, base=2)
    counts_axis(axis, table["micro_batches"], "micro-batches")
    axis.set_ylabel("relative to the whole batch")
    handles = [Line2D([], [], color="0.3", linestyle=line, label=name)
               for name, (_, line) in parts.items()]  # fmt: skip
    axis.legend(handles=handles, frameon=False, loc="upper left")
    variant_legend(figure, frame)
    return figure


def data_parallel(best: pd.DataFrame, frame: Frame) -> Figure:
    """Predicted seconds to target against the number of devices, each at its best batch size; the
    fastest variant's are named."""
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axis = figure.subplots()
    for style, _, own in by_variant(best, frame):
        hollow = {**style, "linestyle": "--", "markerfacecolor": "white"}
        line = own.sort_values("devices")
        axis.plot(line["devices"], line["seconds_to_target"], **hollow)
    fastest = best.loc[best.groupby("devices")["seconds_to_target"].idxmin()]
    for row in fastest.itertuples():
        axis.annotate(
            size_label(row.batch_size, frame.examples), (row.devices, row.seconds_to_target),
            xytext=(0, -14), textcoords="offset points", ha="center", fontsize=8, color="0.25",
        )  # fmt: skip
    counts_axis(axis, best["devices"], "devices")
    plain_log(axis, text.seconds)
    axis.margins(y=0.2)
    axis.set_ylabel("predicted time to target")
    variant_legend(figure, frame)
    return figure
