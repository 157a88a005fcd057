"""The features before any training: as found, and under both scalings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import ROW_INCHES
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

MOST_FEATURES = 24
TICKS = 3
SCALINGS = {"none": "as found", "minmax": "min-max scaled", "standard": "standardised"}
POINTS = ["minimum", "q25", "median", "q75", "maximum"]


def draw(study: Study) -> Figure:
    """Range, quartiles and median of each feature."""
    shown = widest(study.measured.features)
    figure = Figure(figsize=(9.5, 1.3 + ROW_INCHES * max(4, len(shown))), layout="constrained")
    panels = figure.subplots(1, len(SCALINGS), sharey=True)
    for axis, (scaling, title) in zip(panels, SCALINGS.items(), strict=True):
        boxes(axis, scaled(shown, scaling))
        axis.set_title(title, loc="left")
    log_ticks(panels[0], shown)
    names = [name if len(name) <= 28 else f"{name[:27]}…" for name in shown["feature"].astype(str)]
    panels[0].set_yticks(range(len(shown)), names)
    panels[0].invert_yaxis()
    return figure


def widest(features: pd.DataFrame) -> pd.DataFrame:
    """The features with the widest range first; of many, evenly picked ones."""
    order = (features["maximum"] - features["minimum"]).sort_values(ascending=False, kind="stable")
    ranked = features.loc[order.index]
    places = np.unique(np.linspace(0, len(ranked) - 1, MOST_FEATURES).round().astype(int))
    return ranked.iloc[places] if len(ranked) > MOST_FEATURES else ranked


def scaled(features: pd.DataFrame, scaling: str) -> pd.DataFrame:
    """The five quantiles of each feature under a scaling."""
    quantiles = features[POINTS]
    if scaling == "minmax":
        width = (features["maximum"] - features["minimum"]).replace(0, 1)
        return quantiles.sub(features["minimum"], axis=0).div(width, axis=0)
    if scaling == "standard":
        return quantiles.sub(features["mean"], axis=0).div(features["sd"].replace(0, 1), axis=0)
    return quantiles


def log_ticks(axis: Axes, table: pd.DataFrame) -> None:
    """An axis that is logarithmic beyond 1 on both sides, with a few ticks on each."""
    axis.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0.0]
    for sign, furthest in ((1, table["maximum"].max()), (-1, -table["minimum"].min())):
        last = int(np.log10(max(furthest, 1)))
        every = max(1, -(-last // TICKS))
        ticks += [sign * 10.0**power for power in range(last, 0, -every)]
    axis.set_xticks(sorted(ticks), [numbers.number(tick) for tick in sorted(ticks)])
    axis.tick_params(axis="x", labelsize=8)


def boxes(axis: Axes, quantiles: pd.DataFrame) -> None:
    """A thin line over the range, a thick one between the quartiles, a point at the median."""
    rows, colour = np.arange(len(quantiles)), sns.color_palette("colorblind")[0]
    axis.hlines(rows, quantiles["minimum"], quantiles["maximum"], color=colour, linewidth=1)
    axis.hlines(rows, quantiles["q25"], quantiles["q75"], color=colour, linewidth=5, alpha=0.5)
    axis.plot(quantiles["median"], rows, "o", color=colour, markersize=4)
    axis.grid(visible=False, axis="y")


def caption(study: Study) -> str:
    """Sizes, ranges, what was dropped and why."""
    measured = study.measured
    table, data = measured.features, measured.data
    parts = ", ".join(f"{count:,} {name}" for name, count in data["examples"].items())
    width = table["maximum"] - table["minimum"]
    moving = width[width > 0]
    unit = "channel" if len(data["shape"]) == 3 else "feature"
    many = f"{len(table)} {unit}{'s' if len(table) > 1 else ''}"
    words = [f"Examples: {parts}; {many}. Range, quartiles and median over the training part."]
    if len(moving) > 1:
        ratio = numbers.number(moving.max() / moving.min())
        words.append(f"As found, the widest range is {ratio} times the narrowest.")
    if len(table) > MOST_FEATURES:
        words.append(f"Shown: {MOST_FEATURES} of them, evenly picked by range.")
    return " ".join([*words, *column_words(measured.columns), *note_words(data)])


def column_words(columns: pd.DataFrame) -> list[str]:
    """Which columns of a user's table were dropped, and how many had missing values."""
    if columns.empty:
        return []
    dropped = columns[columns["kind"] == "dropped"]
    named = [f"{row.column} ({row.note})" for row in dropped.itertuples()]
    missing = int((columns["missing"] > 0).sum())
    return [
        f"Of {len(columns)} columns {len(dropped)} were dropped"
        + (f": {'; '.join(named)}." if named else ".")
        + (f" {missing} had missing values." if missing else "")
    ]


def note_words(data: Mapping[str, Any]) -> list[str]:
    """The notes as sentences."""
    notes = [*data.get("notes", []), *data.get("warnings", [])]
    return [f"{note[0].upper()}{note[1:]}." for note in notes]


ILLUSTRATION = Illustration(
    "features",
    "The features",
    "features",
    draw,
    caption,
    lambda study: not study.measured.features.empty,
)
