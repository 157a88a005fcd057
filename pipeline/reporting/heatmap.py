"""Heatmaps as tables of the page: a number in every cell, more on hover and by keyboard."""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd

from pipeline.reporting import text
from pipeline.reporting.axes import Frame, size_label
from pipeline.reporting.figures_training import colour_scale

Colour = tuple[float, float, float, float]
DARK = 0.45
"""Below this luminance a cell's number is written in white."""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, its colours, and what it says when pointed at.

    state: ``done``, ``lost`` (a seed diverged), ``missed`` (no value), ``untried``.
    """

    words: str
    paper: str
    ink: str
    tip: str
    state: str


@dataclass(frozen=True)
class Heatmap:
    """One variant's cells: a row for each learning rate, a column for each batch size."""

    variant: str
    sizes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def heatmaps(
    rates: pd.DataFrame, value: str, show: Callable[[float], str], log: bool, frame: Frame
) -> tuple[Heatmap, ...]:
    """The cells of every variant under one scale of colours; good ones are light."""
    norm, colours = colour_scale(rates, value, log)

    def colour(number: float) -> Colour:
        return colours(float(norm(number)))

    return tuple(
        one_variant(name, rates[rates["variant"] == name], value, show, colour, frame)
        for name in frame.variants
    )


def one_variant(
    name: str,
    rates: pd.DataFrame,
    value: str,
    show: Callable[[float], str],
    colour: Callable[[float], Colour],
    frame: Frame,
) -> Heatmap:
    """The rows of one variant, the largest rate first."""
    sizes = sorted(set(rates["batch_size"]))
    known = {(row["lr"], row["batch_size"]): row for _, row in rates.iterrows()}
    rows = [
        (text.rate(lr), tuple(cell(known.get((lr, size)), value, show, colour) for size in sizes))
        for lr in sorted(set(rates["lr"]), reverse=True)
    ]
    return Heatmap(name, tuple(size_label(size, frame.examples) for size in sizes), tuple(rows))


def cell(
    row: pd.Series | None,
    value: str,
    show: Callable[[float], str],
    colour: Callable[[float], Colour],
) -> Cell:
    """One cell; none was trained where there is no row."""
    if row is None:
        return Cell("", "", "", "", "untried")
    lost, number = int(row["diverged"]), float(row[value])
    tip = told(row)
    if lost:
        return Cell(f"✕{lost}", "", "", tip, "lost")
    if not np.isfinite(number):
        return Cell("–", "", "", tip, "missed")
    paint = colour(number)
    bright = 0.2126 * paint[0] + 0.7152 * paint[1] + 0.0722 * paint[2]
    ink = "#ffffff" if bright < DARK else "#101010"
    return Cell(show(number), mpl.colors.to_hex(paint), ink, tip, "done")


def told(row: pd.Series) -> str:
    """Everything about a cell in one line."""
    said = [
        f"batch size {row['batch_size']:.0f}, rate {text.rate(row['lr'])}",
        f"{row['reached']:.0f} of {row['seeds']:.0f} seeds reach the target",
    ]
    if np.isfinite(row["median_steps"]):
        said.append(f"{text.number(row['median_steps'])} steps")
    if np.isfinite(row["median_seconds"]):
        said.append(text.seconds(row["median_seconds"]))
    if np.isfinite(row["median_score"]):
        said.append(f"best score {text.number(row['median_score'])}")
    if row["diverged"]:
        said.append(f"{row['diverged']:.0f} diverged")
    return ", ".join(said)
