"""Heatmaps as tables of the page: a number in every cell, more on hover and by keyboard."""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd

from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import size_label
from pipeline.reporting.figures.heatmap import STOPPED, colour_scale
from pipeline.reporting.words import numbers
from pipeline.selection.keys import CRITERIA

Colour = tuple[float, float, float, float]
DARK = 0.45
"""Below this luminance a cell's number is written in white."""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, its colours, and what it says when pointed at.

    kind: ``done``, ``lost`` (a seed diverged), ``missed`` (no value) or ``untried``, and for the
    winner of its batch size ``inside`` or ``edge``.
    """

    words: str
    paper: str
    ink: str
    tip: str
    kind: str


@dataclass(frozen=True)
class Heatmap:
    """One variant's cells: a row for each learning rate, a column for each batch size."""

    variant: str
    sizes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def heatmap_tables(study: Study) -> dict[str, tuple[Heatmap, ...]]:
    """The page's heatmaps by the name of the figure that each stands for."""
    rates, frame = study.rates, study.frame
    return {
        "score_heatmap": heatmaps(rates, "median_score", "best_score", numbers.number, frame),
        "steps_heatmap": heatmaps(rates, "median_steps", "fastest", numbers.number, frame),
        "seconds_heatmap": heatmaps(rates, "median_seconds", "fastest", numbers.seconds, frame),
    }


def heatmaps(
    rates: pd.DataFrame, value: str, winner: str, show: Callable[[float], str], frame: Frame
) -> tuple[Heatmap, ...]:
    """The cells of every variant under one scale of colours; good ones are light.

    winner: the column that marks the winners.
    """
    norm, colours = colour_scale(rates, value)

    def made(row: pd.Series) -> Cell:
        return cell(row, value, winner, show, lambda number: colours(float(norm(number))))

    return tuple(
        one_variant(name, rates[rates["variant"] == name], made, frame) for name in frame.variants
    )


UNTRIED = Cell("", "", "", "", "untried")


def one_variant(
    name: str, rates: pd.DataFrame, made: Callable[[pd.Series], Cell], frame: Frame
) -> Heatmap:
    """The rows of one variant, the largest rate first; nothing where a rate was not tried."""
    sizes = sorted(set(rates["batch_size"]))
    known = {(row["lr"], row["batch_size"]): made(row) for _, row in rates.iterrows()}
    rows = [
        (numbers.rate(lr), tuple(known.get((lr, size), UNTRIED) for size in sizes))
        for lr in sorted(set(rates["lr"]), reverse=True)
    ]
    return Heatmap(name, tuple(size_label(size, frame.examples) for size in sizes), tuple(rows))


def cell(
    row: pd.Series,
    value: str,
    winner: str,
    show: Callable[[float], str],
    colour: Callable[[float], Colour],
) -> Cell:
    """What the table shows for one rate and batch size.

    value: the column of the number; winner: the column that marks winners; colour: of a number.
    """
    lost, number = int(row["diverged"]), float(row[value])
    tip, mark = tip_of(row), row[winner]
    if lost:
        return Cell(f"✕{lost}", "", "", tip, f"lost {mark}".rstrip())
    if not np.isfinite(number):
        return Cell(STOPPED if row["stopped"] else "–", "", "", tip, "missed")
    paint = colour(number)
    bright = 0.2126 * paint[0] + 0.7152 * paint[1] + 0.0722 * paint[2]
    ink = "#ffffff" if bright < DARK else "#101010"
    return Cell(show(number), mpl.colors.to_hex(paint), ink, tip, f"done {mark}".rstrip())


def tip_of(row: pd.Series) -> str:
    """Everything about a cell in one line."""
    words = [
        f"batch size {row['batch_size']:.0f}, rate {numbers.rate(row['lr'])}",
        f"{row['reached']:.0f} of {row['seeds']:.0f} seeds reach the target",
    ]
    if np.isfinite(row["median_steps"]):
        words.append(f"{numbers.number(row['median_steps'])} steps")
    if np.isfinite(row["median_seconds"]):
        words.append(numbers.seconds(row["median_seconds"]))
    if np.isfinite(row["median_score"]):
        words.append(f"best score {numbers.number(row['median_score'])}")
    if row["stopped"]:
        words.append(f"{row['stopped']:.0f} stopped after {row['trained_steps']:.0f} steps")
    if row["diverged"]:
        words.append(f"{row['diverged']:.0f} diverged")
    for criterion in CRITERIA:
        if row[criterion]:
            where = ", at the edge of the grid" if row[criterion] == "edge" else ""
            words.append(f"{criterion.replace('_', ' ')} of its batch size{where}")
    return ", ".join(words)
