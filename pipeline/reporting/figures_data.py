"""The data before any training."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting import text

MOST_FEATURES = 24
MOST_CLASSES = 30
ROW_INCHES = 0.26
TICKS = 3
SCALINGS = {"none": "as found", "minmax": "min-max scaled", "standard": "standardised"}
POINTS = ["minimum", "q25", "median", "q75", "maximum"]


def scaled(features: pd.DataFrame, scaling: str) -> pd.DataFrame:
    """The five quantiles of each feature under a scaling."""
    quantiles = features[POINTS]
    if scaling == "minmax":
        width = (features["maximum"] - features["minimum"]).replace(0, 1)
        return quantiles.sub(features["minimum"], axis=0).div(width, axis=0)
    if scaling == "standard":
        return quantiles.sub(features["mean"], axis=0).div(features["sd"].replace(0, 1), axis=0)
    return quantiles


def shown(features: pd.DataFrame) -> pd.DataFrame:
    """The features with the widest range first; of many, evenly picked ones."""
    order = (features["maximum"] - features["minimum"]).sort_values(ascending=False, kind="stable")
    ranked = features.loc[order.index]
    places = np.unique(np.linspace(0, len(ranked) - 1, MOST_FEATURES).round().astype(int))
    return ranked.iloc[places] if len(ranked) > MOST_FEATURES else ranked


def features(table: pd.DataFrame) -> Figure:
    """Range, quartiles and median of each feature, as found and under both scalings."""
    own = shown(table)
    figure = Figure(figsize=(9.5, 1.3 + ROW_INCHES * max(4, len(own))), layout="constrained")
    panels = figure.subplots(1, len(SCALINGS), sharey=True)
    for axis, (scaling, title) in zip(panels, SCALINGS.items(), strict=True):
        boxes(axis, scaled(own, scaling))
        axis.set_title(title, loc="left")
    log_ticks(panels[0], own)
    names = [name if len(name) <= 28 else f"{name[:27]}…" for name in own["feature"].astype(str)]
    panels[0].set_yticks(range(len(own)), names)
    panels[0].invert_yaxis()
    return figure


def log_ticks(axis: Axes, table: pd.DataFrame) -> None:
    """An axis that is logarithmic beyond 1 on both sides, with a few ticks on each."""
    axis.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0.0]
    for sign, furthest in ((1, table["maximum"].max()), (-1, -table["minimum"].min())):
        last = int(np.log10(max(furthest, 1)))
        every = max(1, -(-last // TICKS))
        ticks += [sign * 10.0**power for power in range(last, 0, -every)]
    axis.set_xticks(sorted(ticks), [text.number(tick) for tick in sorted(ticks)])
    axis.tick_params(axis="x", labelsize=8)


def boxes(axis: Axes, quantiles: pd.DataFrame) -> None:
    """A thin line over the range, a thick one between the quartiles, a point at the median."""
    rows, colour = np.arange(len(quantiles)), sns.color_palette("colorblind")[0]
    axis.hlines(rows, quantiles["minimum"], quantiles["maximum"], color=colour, linewidth=1)
    axis.hlines(rows, quantiles["q25"], quantiles["q75"], color=colour, linewidth=5, alpha=0.5)
    axis.plot(quantiles["median"], rows, "o", color=colour, markersize=4)
    axis.grid(visible=False, axis="y")


def classes(table: pd.DataFrame) -> Figure:
    """Examples of each class, stacked by part; of many classes the most frequent."""
    parts = ["train", "val", "test"]
    table = table.assign(total=table[parts].sum(axis=1))
    if len(table) > MOST_CLASSES:
        table = table.sort_values("total", ascending=False, kind="stable").head(MOST_CLASSES)
    figure = Figure(figsize=(7.5, 1.2 + ROW_INCHES * max(4, len(table))), layout="constrained")
    axis, left = figure.subplots(), np.zeros(len(table))
    for part, colour in zip(parts, sns.color_palette("colorblind", 3), strict=True):
        axis.barh(range(len(table)), table[part], left=left, color=colour, label=part)
        left += table[part].to_numpy()
    axis.set_yticks(range(len(table)), table["class"].astype(str))
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("examples")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure
