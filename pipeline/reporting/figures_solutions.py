"""What the batch size does to the solution: generalisation, sharpness, landscape, noise."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.curvature import MEASURES
from pipeline.reporting.axes import (
    MARKERS,
    Frame,
    beside,
    by_variant,
    counts_axis,
    half_width,
    plain_log,
    rows_height,
    size_colours,
    size_label,
    to_the_points,
    variant_legend,
    with_band,
)

MOMENTS = ("initial", "early", "middle", "end")


def generalisation(table: pd.DataFrame, margin: float, frame: Frame) -> Figure:
    """Paired differences in test score from the smallest batch size, a panel per comparison."""
    names = list(dict.fromkeys(table["comparison"]))
    figure = Figure(figsize=(9.5, 2.9 * ((len(names) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(names) + 1) // 2, 2, squeeze=False, sharey=True).ravel()
    for name, axis in zip(names, panels, strict=False):
        axis.axhspan(-margin, margin, color="0.93", zorder=0, linewidth=0)
        axis.axhline(0, color="0.4", linewidth=1)
        part = table[table["comparison"] == name]
        for style, variant, own in by_variant(part, frame):
            apart = own.assign(batch_size=beside(own["batch_size"], variant, frame, 0.08))
            with_band(axis, apart, "difference", **{**style, "linestyle": "none"})
        half_width(axis, "", part, frame)
        axis.set_yscale("symlog", linthresh=margin, linscale=0.7)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
        axis.set_title(name, loc="left", fontsize=11)
    for axis in panels[len(names) :]:
        axis.set_visible(False)
    for axis in panels[::2][: (len(names) + 1) // 2]:
        axis.set_ylabel(f"test {frame.score_name}, difference")
    variant_legend(figure, frame)
    return figure


def sharpness(
    table: pd.DataFrame, products: pd.DataFrame, limit: float | None, frame: Frame
) -> Figure:
    """Three measures of sharpness, and rate times curvature, against the batch size."""
    figure = Figure(figsize=(9.5, 6.2), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axis, (name, words) in zip(panels, MEASURES.items(), strict=False):
        for style, _, own in by_variant(table, frame):
            with_band(axis, own, name, **style)
        to_the_points(axis, table[name])
        plain_log(axis)
        half_width(axis, words, table, frame)
    variant_legend(figure, frame)
    stability(panels[3], products, limit, frame)
    return figure


POINTS = {"early": "a tenth in", "middle": "half-way", "solution": "end, best rate"}


def stability(axis: Axes, products: pd.DataFrame, limit: float | None, frame: Frame) -> None:
    """Rate times largest eigenvalue along the training, with the limit of full-batch descent."""
    colours = sns.color_palette("viridis", len(POINTS))
    for place, (point, words) in enumerate(POINTS.items()):
        own = products[products["point"] == point]
        axis.plot(
            own["batch_size"], own["product"], marker=MARKERS[place], color=colours[place],
            label=words,
        )  # fmt: skip
    if limit is not None:
        axis.axhline(limit, color="0.3", linestyle="--", linewidth=1)
        axis.annotate(
            f"stability limit {limit:.3g}", (0.02, limit), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color="0.3",
        )  # fmt: skip
    plain_log(axis)
    half_width(axis, "rate × largest eigenvalue", products, frame)
    axis.legend(frameon=False, fontsize=8)


def landscape(table: pd.DataFrame, frame: Frame) -> Figure:
    """Loss and score on the line between two solutions, and loss along a slice around each."""
    line, cut = table[table["path"] == "line"], table[table["path"] == "slice"]
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    colours = sns.color_palette("colorblind", 2)
    for colour, part in zip(colours, ("train", "test"), strict=True):
        along(left, line, f"{part}_loss", colour, part)
        along(middle, line, f"{part}_score", colour, part)
    for colour, (size, own) in zip(colours, cut.groupby("batch_size"), strict=False):
        along(right, own, "train_loss", colour, f"batch size {size_label(size, frame.examples)}")
    plain_log(left)
    plain_log(right)
    left.set_ylabel("loss")
    middle.set_ylabel(frame.score_name)
    right.set_ylabel("training loss")
    if len(line):
        ends = [size_label(int(line[name].iloc[0]), frame.examples)
                for name in ("batch_size", "other_batch_size")]  # fmt: skip
        for axis in (left, middle):
            axis.set_xticks([-1, 0, 1, 2], ["−1", f"B = {ends[0]}", f"B = {ends[1]}", "2"])
            for end in (0, 1):
                axis.axvline(end, color="0.7", linewidth=1, zorder=0)
    left.set_xlabel("line between solutions")
    middle.set_xlabel("line between solutions")
    right.set_xlabel("random direction, own scale")
    left.legend(frameon=False)
    right.legend(frameon=False, fontsize=8)
    return figure


def along(axis: Axes, table: pd.DataFrame, column: str, colour: object, label: str) -> None:
    """Each seed's path, thin, and their median."""
    paths = table.pivot_table(index="position", columns="seed", values=column)
    axis.plot(paths.index, paths, color=colour, alpha=0.25, linewidth=1)
    axis.plot(paths.index, paths.median(axis=1), color=colour, label=label)


def gradient_noise(
    noise: pd.DataFrame, scales: pd.DataFrame, critical: float | None, batch_size: int, frame: Frame
) -> Figure:
    """Error and cosine of minibatch gradients at one batch size's training, and noise scales."""
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    colours = dict(zip(MOMENTS, sns.color_palette("viridis", len(MOMENTS)), strict=True))
    own = noise[(noise["batch_size"] == batch_size) | (noise["moment"] == "initial")]
    for place, (moment, table) in enumerate(own.groupby("moment", sort=False)):
        style = {"color": colours[moment], "marker": MARKERS[place], "markersize": 4}
        left.plot(table["examples"], table["relative_error"], label=moment, **style)
        middle.plot(table["examples"], table["cosine"], **style)
    sizes = np.array(sorted(set(own["examples"])))
    left.plot(sizes, own["relative_error"].max() / np.sqrt(sizes), "--", color="0.5", label="1/√m")
    plain_log(left)
    for axis, label in ((left, "relative error"), (middle, "cosine")):
        counts_axis(axis, sizes[::2], "examples in the gradient")
        axis.tick_params(axis="x", labelsize=8)
        axis.set_ylabel(label)
    left.legend(frameon=False, fontsize=8)
    noise_scales(right, scales, colours, critical, frame)
    return figure


def noise_scales(
    axis: Axes, scales: pd.DataFrame, colours: Mapping[str, object], critical: float | None,
    frame: Frame,
) -> None:  # fmt: skip
    """The noise scale by batch size and moment, beside the measured critical batch size."""
    known = scales.dropna(subset=["noise_scale"])
    for place, (moment, own) in enumerate(known.groupby("moment", sort=False)):
        with_band(
            axis, own, "noise_scale", color=colours[str(moment)], linestyle="none", markersize=4,
            marker=MARKERS[place],
        )  # fmt: skip
    if critical is not None:
        axis.axhline(critical, color="0.3", linestyle=":")
        axis.annotate(
            "critical batch size", (0.02, critical), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color="0.3",
        )  # fmt: skip
    plain_log(axis)
    half_width(axis, "noise scale (examples)", scales, frame)


def oscillation(table: pd.DataFrame, escapes: pd.DataFrame, frame: Frame) -> Figure:
    """Late oscillation of the loss by batch size, and escapes from a poor minimum."""
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for style, _, own in by_variant(table, frame):
        points = {**style, "linestyle": "none", "alpha": 0.5}
        left.plot(own["batch_size"], own["validation"], **points)
        medians = own.groupby("batch_size")["validation"].median()
        left.plot(medians.index, medians, **{**style, "marker": ""})
    plain_log(left)
    half_width(left, "change of validation loss", table, frame)
    variant_legend(figure, frame)
    right.plot(escapes["batch_size"], escapes["share"], "o-", color="0.35")
    counts_axis(right, escapes["batch_size"], "batch size")
    right.set_ylabel("left the poor well")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def weights(curves: pd.DataFrame, frame: Frame) -> Figure:
    """Length of the weights, largest weight and relative update along training."""
    figure = Figure(figsize=(9.5, rows_height(3.3, frame)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 3, squeeze=False)
    sizes = sorted(set(curves["batch_size"]))
    colours = size_colours(sizes)
    labels = {
        "weight_norm": "length of the weights",
        "largest_weight": "largest weight",
        "update_to_weight": "update / weights",
    }
    for (_, variant, own), row in zip(by_variant(curves, frame), panels, strict=True):
        for axis, (name, label) in zip(row, labels.items(), strict=True):
            for size, table in own.groupby("batch_size"):
                median = table.groupby("step")[name].median()
                axis.plot(
                    median.index, median, color=colours[size],
                    label=size_label(size, frame.examples),
                )  # fmt: skip
            axis.set_xscale("log")
            axis.set_xlabel("steps")
            axis.set_ylabel(label)
        plain_log(row[2])
        row[0].set_title(variant if len(frame.variants) > 1 else "", loc="left")
    panels[0][0].legend(title="batch size", frameon=False, fontsize=7, title_fontsize=8)
    return figure
