"""What the three heatmaps share: a value at every learning rate and batch size, as screened."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import by_variant, size_label
from pipeline.reporting.words import numbers

STOPPED = "≫"
BY_CURVE = "by a smooth curve through it and its neighbours: a lower number may be luck"


def frames_words(criterion: str) -> str:
    """What the frames mark, where rates were chosen by a criterion."""
    return (
        f"A frame marks the rate that was chosen at a batch size, {criterion}; a dashed one lies "
        "at the end of its grid."
    )


def stopped_words(study: Study) -> str:
    """What the mark of stopped trainings means, where there are any."""
    if study.raced.empty:
        return ""
    return f" {STOPPED} marks rates that were stopped: others had reached the target long before."


def heatmap(rates: pd.DataFrame, value: str, winner: str, title: str, frame: Frame) -> Figure:
    """Learning rate x batch size, one panel per variant; diverged cells are hatched and counted,
    winners framed, with dashes at the edge of the grid.

    A dash stands where at most half of the seeds reached the target, STOPPED where they were
    stopped before, for other rates were faster; a rate that was not tried is left blank.
    """
    width = 1.8 + 0.75 * rates["batch_size"].nunique()
    heights = [1.4 + 0.42 * rows["lr"].nunique() for _, _, rows in by_variant(rates, frame)]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    norm, colours = colour_scale(rates, value)
    for (_, name, rows), axis in zip(by_variant(rates, frame), panels, strict=True):
        panel(axis, rows, value, norm, colours, frame)
        frame_winners(axis, rows, winner)
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
    words = shown.map(numbers.number).where(trained.notna(), "")
    stopped = rates.pivot(index="lr", columns="batch_size", values="stopped").reindex_like(grid)
    words = words.mask(shown.isna() & (stopped > 0), STOPPED)
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
    axis.set_yticks(np.arange(len(grid)) + 0.5, [numbers.rate(lr) for lr in grid.index])
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


def least(rates: pd.DataFrame, column: str) -> pd.Series | None:
    """The row with the least of a cost, of those that no seed was lost at."""
    done = rates[np.isfinite(rates[column]) & (rates["diverged"] == 0)]
    return None if done.empty else done.loc[done[column].idxmin()]
