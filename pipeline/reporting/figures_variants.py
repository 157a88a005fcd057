"""Variants beside each other."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting import text
from pipeline.reporting.figures import MARKERS, Frame, by_variant, half_width, plain_log, with_band

MOST_COLUMNS = 4
"""Of the legend."""


def variants(table: pd.DataFrame, screened: pd.DataFrame, frame: Frame) -> Figure:
    """Steps and score against the first variant, the largest stable rate, the usable rates."""
    figure = Figure(figsize=(9.5, 6.6), layout="constrained")
    (steps, score), (largest, usable) = figure.subplots(2, 2)
    against = table[table["reference"] == frame.variants[0]]
    colours = sns.color_palette("colorblind", len(frame.variants))
    for index, name, own in by_variant(against, frame):
        style = {"color": colours[index], "label": name}
        if len(own):
            with_band(steps, own, "steps_ratio", index, **style)
            with_band(score, own, "score_difference", index, **style)
    lines(largest, screened, "largest_rate", frame)
    lines(usable, screened, "usable_rates", frame)
    steps.axhline(1, color="0.4", linewidth=1)
    score.axhline(0, color="0.4", linewidth=1)
    plain_log(steps)
    plain_log(largest, text.rate)
    half_width(steps, f"steps to target / {frame.variants[0]}", against, frame)
    half_width(score, f"test {frame.score_name}, difference", against, frame)
    half_width(largest, "largest stable rate", screened, frame)
    half_width(usable, "usable rates", screened, frame)
    usable.set_ylim(bottom=0)
    figure.legend(
        *largest.get_legend_handles_labels(), loc="outside upper center", frameon=False, fontsize=9,
        ncols=min(len(frame.variants), MOST_COLUMNS),
    )  # fmt: skip
    return figure


def lines(axis: Axes, table: pd.DataFrame, column: str, frame: Frame) -> None:
    """One line for each variant."""
    colours = sns.color_palette("colorblind", len(frame.variants))
    for index, name, own in by_variant(table, frame):
        marker = MARKERS[index % len(MARKERS)]
        axis.plot(own["batch_size"], own[column], marker=marker, color=colours[index], label=name)
