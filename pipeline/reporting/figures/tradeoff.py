"""Training time to the target and test score against the batch size: the figure of the first
screen."""

from collections.abc import Iterable

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

RING = {
    "markersize": 15, "markerfacecolor": "none", "markeredgecolor": "0.2", "markeredgewidth": 1.4,
}  # fmt: skip
"""Around the recommended points."""
LEAST_SPREAD = 0.002
"""Scores are never told apart more finely than this by an axis."""
PANELS = ("seconds_to_target", "test_score")


def draw(study: Study) -> Figure:
    """With the recommended variant's critical batch size and the limit of memory."""
    best, memory_gb = study.recommendation.best, study.params.limits.memory_gb
    fit = study.critical if best is None else study.fits.get(best["variant"])
    return tradeoff(
        study.tradeoff,
        best,
        study.frame,
        None if fit is None else fit.curve.critical,
        None if memory_gb is None else memory_gb * 2**30,
    )


def tradeoff(
    table: pd.DataFrame,
    best: pd.Series | None,
    frame: Frame,
    critical: float | None = None,
    memory_bytes: float | None = None,
) -> Figure:
    """Seconds to target above, test score below.

    critical: the critical batch size; memory_bytes: the limit, beyond which batch sizes are shaded.
    """
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    above, below = panels
    wanted = with_intervals(best, frame)
    for style, name, rows in by_variant(table, frame):
        for axis, column in zip(panels, PANELS, strict=True):
            if name in wanted:
                with_band(axis, rows, column, **style)
            else:
                axis.plot(rows["batch_size"], rows[column], alpha=0.6, markersize=4, **style)
    plain_log(above, numbers.seconds)
    above.set_ylabel("training time to target")
    above.set_title(f"Target: {frame.target}", loc="left")
    below.set_ylabel(f"test {frame.score_name}, whole budget")
    leave_out_far_below(below, table["test_score"])
    if best is not None:
        marked(panels, best["batch_size"], f"recommended: {best['batch_size']:.0f}", ":", 0.97)
        for axis, column in zip(panels, PANELS, strict=True):
            axis.plot(best["batch_size"], best[column], "o", **RING)
    sizes = table["batch_size"]
    if critical is not None and sizes.min() <= critical <= sizes.max():
        marked(panels, critical, f"critical: {numbers.number(critical)}", "-.", 0.88)
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
    """Fastest against slowest batch size, and the spread of the test scores."""
    table, frame = study.tradeoff, study.frame
    done = table[table["reached"] == table["seeds"]].sort_values("seconds_to_target")
    if done.empty:
        return "No batch size reached the target with every seed."
    first, last = done.iloc[0], done.iloc[-1]
    scores = table["test_score"].dropna()
    wanted = with_intervals(study.recommendation.best, frame)
    whose = "" if len(wanted) == len(frame.variants) else f", of {' and '.join(wanted)}"
    all_have_intervals = table["seconds_to_target"].notna().sum() == len(done)
    hollow = "; hollow points have none, because some of their seeds missed the target"
    return (
        "Of the batch sizes that reach the target with every seed the fastest is "
        f"{numbers.place(first, frame)} at {numbers.seconds(first['seconds_to_target'])}, the "
        f"slowest {numbers.place(last, frame)} at {numbers.seconds(last['seconds_to_target'])}; "
        f"mean test {frame.score_name} lies between {numbers.number(scores.min())} and "
        f"{numbers.number(scores.max())}. Bars: 95 % intervals over {int(table['seeds'].max())} "
        f"fresh seeds{whose}{'' if all_have_intervals else hollow}."
    )


ILLUSTRATION = Illustration("tradeoff", "The tradeoff", "tradeoff", draw, caption)
