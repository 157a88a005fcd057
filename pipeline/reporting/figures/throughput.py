"""Throughput, seconds per step with its parts, and memory, against the batch size."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.frame import Frame
from pipeline.analysis.lines import Affine
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import by_variant, half_width, plain_log, variant_legend
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """Joined points are the grid's, loose ones the other sizes; the law is the first variant's."""
    timed, frame = study.measured.throughput, study.frame
    figure = Figure(figsize=(9.5, 7.2), layout="constrained")
    weighed = timed["peak_bytes"].notna().any()
    axes = figure.subplot_mosaic(
        [["rate", "rate"], ["seconds", "memory" if weighed else "seconds"]]
    )
    panels = (("rate", "examples_per_second"), ("seconds", "seconds_per_step"))
    for style, _, rows in by_variant(timed, frame):
        whole, grid = rows[rows["micro_batches"] == 1], rows[rows["in_grid"]]
        for panel_name, column in panels:
            axes[panel_name].plot(
                whole["batch_size"], whole[column], ".", color=style["color"], alpha=0.45
            )
        for panel_name, column in (*panels, *([("memory", "peak_bytes")] if weighed else [])):
            axes[panel_name].plot(grid["batch_size"], grid[column], **style)
    labels = (
        ("rate", "examples per second", numbers.tick, 10),
        ("seconds", "time per step", numbers.seconds, 10),
        ("memory", "peak memory of a training", numbers.size, 2),
    )
    for panel_name, label, show, base in labels[: len(axes)]:
        plain_log(axes[panel_name], show, base)
        half_width(axes[panel_name], label, study.tradeoff, frame)
    step_parts(axes["seconds"], study.of_first(timed))
    draw_law(axes["rate"], axes["seconds"], study.step_law, study.timed["batch_size"])
    if weighed:
        mark_limit(axes["memory"], timed)
    variant_legend(figure, frame)
    return figure


def step_parts(axis: Axes, timed: pd.DataFrame) -> None:
    """The parts of the first variant's steps as thin lines named at their end."""
    grid = timed.dropna(subset=["seconds_forward"]).sort_values("batch_size")
    styles = {"gather": ":", "forward": "--", "backward": "-.", "update": (0, (1, 3))}
    for part, style in styles.items() if len(grid) else ():
        axis.plot(
            grid["batch_size"], grid[f"seconds_{part}"],
            linestyle=style, color="0.45", linewidth=1.2, label=part,
        )  # fmt: skip
    lines = [line for line in axis.lines if line.get_label() in styles]
    if lines:
        axis.legend(handles=lines, frameon=False, fontsize=8, ncols=2, loc="upper left")
    axis.set_ylim(top=3 * timed["seconds_per_step"].max())  # last: it ends the scaling by itself


def draw_law(rate: Axes, seconds: Axes, law: Affine | None, sizes: pd.Series) -> None:
    """The affine law of a step, and the batch size at which half of it is overhead."""
    if law is not None:
        line = np.geomspace(sizes.min(), sizes.max(), 100)
        taken = law.start + law.slope * line
        rate.plot(line, line / taken, "--", color="0.35", linewidth=1, zorder=1)
        seconds.plot(line, taken, "--", color="0.35", linewidth=1, zorder=1)
        half = law.ratio
        rate.axvspan(half.low, half.high, color="0.88", zorder=0)
        rate.annotate(
            f"half of a step is overhead at {half.value:.0f}",
            (half.low, 0.06), xycoords=("data", "axes fraction"), xytext=(-6, 0),
            textcoords="offset points", color="0.25", ha="right", va="bottom",
        )  # fmt: skip


def mark_limit(axis: Axes, timed: pd.DataFrame) -> None:
    """The memory that may be used, where it is near enough to be seen beside the data."""
    limit, most = timed["limit_bytes"].max(), timed["peak_bytes"].max()
    if limit < 32 * most:
        axis.axhline(limit, color="0.35", linestyle=":")
        axis.annotate(
            "limit", (0.02, limit), xycoords=("axes fraction", "data"), va="bottom", color="0.25"
        )


def caption(study: Study) -> str:
    """The law of a step, what the largest batch brings, and which batch fits."""
    timed, frame = study.timed, study.frame
    first, last = timed.iloc[0], timed.iloc[-1]
    gain = last["examples_per_second"] / first["examples_per_second"]
    return (
        f"{law_words(study.step_law)}; batch size "
        f"{numbers.batch_size(last['batch_size'], frame.examples)} takes {numbers.number(gain)} "
        f"times as many examples a second as {first['batch_size']}. {how_measured(study)}"
    )


def how_measured(study: Study) -> str:
    """What was timed and weighed, and which batch fits."""
    timed = study.timed
    if study.is_outside:
        return f"{len(timed)} batch sizes, the median of {timed['blocks'].max()} times each."
    return (
        f"{capacity(timed.iloc[-1], study.frame)} "
        f"{len(timed)} batch sizes, a block of steps of each in {timed['blocks'].max()} rounds; "
        "loose points are not in the grid. "
        "Memory is that of a step or an evaluation, whichever takes more, without the data set."
    )


def law_words(law: Affine | None) -> str:
    """What a step takes, and where the machine is half and four fifths busy with examples."""
    if law is None:
        return "No affine law fits the seconds of a step"
    half = law.ratio
    return (
        f"Dashed: a step takes {numbers.seconds(law.start)} and {numbers.seconds(law.slope)} an "
        f"example. Half of the greatest speed is reached at batch size {half.value:.0f} (95 % "
        f"interval {half.low:.0f} to {half.high:.0f}), 80 % at {law.saturates(0.8):.0f}"
    )


def capacity(row: pd.Series, frame: Frame) -> str:
    """The largest batch that fits, and what ended the search."""
    size = numbers.batch_size(row["largest_batch_size"], frame.examples)
    limit = numbers.size(row["limit_bytes"])
    return {
        "memory": f"The largest batch that fits in {limit} is {size}.",
        "data": f"All the training data fit in one batch (the limit is {limit}).",
        "time": f"Batches up to {size} fit in {limit}; larger ones were too slow to try.",
    }[row["search_ended_by"]]


ILLUSTRATION = Illustration(
    "throughput",
    "What a step costs",
    "throughput",
    draw,
    caption,
    lambda study: not study.timed.empty,
)
