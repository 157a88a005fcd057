"""Training time to the target and test score against the batch size, and which batch size is
probably the fastest for which target: the figure of the first screen."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    EDGE,
    MANY,
    batch_axis,
    by_variant,
    plain_log,
    variant_legend,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers
from pipeline.selection.keys import rows_of

RING: dict[str, Any] = {
    "markersize": 15, "markerfacecolor": "none", "markeredgecolor": "0.2", "markeredgewidth": 1.4,
}  # fmt: skip
"""Around the recommended points."""
DISC = 150
"""The area of a disc that stands for certainty, in square points."""
LEAST_SPREAD = 0.002
"""Scores are never told apart more finely than this by an axis."""


def draw(study: Study) -> Figure:
    """With the recommended variant's critical batch size and strip, and the limit of memory; points
    of batch sizes that are shown to be slower are open."""
    table, frame, limits = study.tradeoff, study.frame, study.params.limits
    best = study.recommendation.best
    variant = frame.first if best is None else best["variant"]
    values = shown_values(table)
    heights = (*([5] if len(values) == 1 else (5, 4)), *([4] if has_seconds(table) else []))
    figure = Figure(figsize=(8, 0.54 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    panels = dict(zip(values, axes, strict=False))
    draw_panels(panels, table, frame, with_intervals(best, frame))
    slower = table[~table["may_be_fastest"]]
    open_points = {"markersize": 4, "color": "white", "zorder": 6}
    if has_seconds(table):
        axes[0].plot(slower["batch_size"], slower["seconds_to_target"], "o", **open_points)
    axes[0].set_title(f"Target: {frame.target}", loc="left")
    above = list(panels.values())
    if best is not None:
        marked(above, best["batch_size"], f"recommended: {best['batch_size']:.0f}", ":", 0.97)
        for column, axis in panels.items():
            axis.plot(best["batch_size"], best[column], "o", **RING)
    sizes = table["batch_size"]
    fit = study.fits.get(variant)
    size = fit.curve.critical if fit is not None and fit.is_bounded else np.nan
    if sizes.min() <= size <= sizes.max():
        marked(above, size, f"critical: {numbers.number(size)}", "-.", 0.88)
    memory = np.inf if limits.memory_gb is None else limits.memory_gb * 2**30
    too_large = sizes[table["peak_bytes"] > memory]
    if len(too_large):
        for axis in above:
            axis.axvspan(too_large.min() / EDGE, sizes.max() * EDGE, color="0.5", alpha=0.15)
        marked(above, too_large.min() / EDGE, "beyond the memory", "-", 0.97)
    if has_seconds(table):
        draw_likely(axes[-1], rows_of(study.band, variant))
    variant_legend(figure, frame)
    batch_axis(axes[-1], sorted(set(sizes)), frame.examples)
    return figure


def has_seconds(table: pd.DataFrame) -> bool:
    """Whether the seconds of steps are known."""
    return bool(table["seconds_per_step"].notna().any())


def shown_values(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns that are drawn against the batch size: seconds to the target, or steps where
    these alone are known, and the test score where there is one."""
    cost = "seconds_to_target" if has_seconds(table) else "steps_to_target"
    return (cost, "test_score") if table["test_score"].notna().any() else (cost,)


def compared(table: pd.DataFrame, frame: Frame) -> Figure:
    """The tradeoffs of several studies, as variants of one, without a recommendation."""
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    panels = {"seconds_to_target": above, "test_score": below}
    draw_panels(panels, table, frame, with_intervals(None, frame))
    above.set_title(f"Target: {frame.target}", loc="left")
    variant_legend(figure, frame)
    batch_axis(below, sorted(set(table["batch_size"])), frame.examples)
    return figure


def draw_panels(
    panels: Mapping[str, Axes], table: pd.DataFrame, frame: Frame, wanted: Iterable[str]
) -> None:
    """A column in each panel, with its intervals for the wanted variants."""
    for style, name, rows in by_variant(table, frame):
        for column, axis in panels.items():
            if name in wanted:
                with_band(axis, rows, column, **style)
            else:
                axis.plot(rows["batch_size"], rows[column], alpha=0.6, markersize=4, **style)
    labels = {
        "seconds_to_target": ("training time to target", numbers.seconds),
        "steps_to_target": ("steps to target", numbers.tick),
    }
    for column, axis in panels.items():
        if column in labels:
            label, show = labels[column]
            plain_log(axis, show)
            axis.set_ylabel(label)
    if "test_score" in panels:
        panels["test_score"].set_ylabel(f"test {frame.score_name}")
        leave_out_far_below(panels["test_score"], table["test_score"])


def draw_likely(axis: Axes, band: pd.DataFrame) -> None:
    """A row for each target, a disc as large as a batch size's probability of being the fastest; a
    ring around what would be recommended."""
    targets = list(dict.fromkeys(band["target"]))
    heights = band["target"].map(targets.index)
    areas = DISC * band["probability_fastest"].fillna(0.0)
    axis.scatter(band["batch_size"], heights, areas, color="0.35", linewidths=0)
    chosen = band[band["recommended"]]
    axis.plot(chosen["batch_size"], heights[chosen.index], "o", **RING)
    shown = range(0, len(targets), max(1, len(targets) // 4))
    axis.set_yticks(list(shown), [f"{targets[place]:.3g}" for place in shown])
    axis.set_ylim(-0.8, len(targets) - 0.2)
    axis.set_ylabel("target")
    axis.set_title("Probability of being the fastest", loc="left", fontsize=10)


def with_intervals(best: pd.Series | None, frame: Frame) -> tuple[str, ...]:
    """The variants whose intervals are drawn: all, or of many the first and the recommended."""
    if len(frame.variants) <= MANY:
        return frame.variants
    wanted = (frame.first, *([] if best is None else [best["variant"]]))
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


def caption(study: Study) -> str:
    """Fastest against slowest batch size, the spread of the test scores, how to read the rest."""
    table, frame = study.tradeoff, study.frame
    if not has_seconds(table):
        return (
            f"Steps to the target with 95 % intervals over {numbers.number(table['seeds'].max())} "
            f"{study.seeds_named}; the seconds of a step are not known."
        )
    done = table.dropna(subset=["seconds_to_target"]).sort_values("seconds_to_target")
    if done.empty:
        return "No batch size reached the target."
    first, last = done.iloc[0], done.iloc[-1]
    scores = table["test_score"].dropna()
    between = (
        f"Mean test {frame.score_name} lies between {numbers.number(scores.min())} and "
        f"{numbers.number(scores.max())}. "
        if len(scores)
        else ""
    )
    wanted = with_intervals(study.recommendation.best, frame)
    whose = "" if len(wanted) == len(frame.variants) else f", of {' and '.join(wanted)}"
    return (
        f"The fastest is {numbers.place(first, frame)} at "
        f"{numbers.seconds(first['seconds_to_target'])}, the slowest {numbers.place(last, frame)} "
        f"at {numbers.seconds(last['seconds_to_target'])}; open points are shown to be slower. "
        f"{between}Bars: 95 % intervals over {int(table['seeds'].max())} "
        f"{study.seeds_named}{whose}. Discs are as large as the probability of being the fastest, "
        "from easy targets at the bottom to hard ones; a ring marks what would be recommended."
    )


ILLUSTRATION = Illustration("tradeoff", "The tradeoff", "tradeoff", draw, caption)
