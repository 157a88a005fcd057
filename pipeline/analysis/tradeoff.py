"""What each batch size costs and gives: the table that the recommendation is read from."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from pipeline.analysis import steps, timings
from pipeline.analysis.scores import Outcomes
from pipeline.selection import statistics
from pipeline.selection.keys import CELL, CRITERIA, PACK, RATE
from pipeline.selection.winners import main_rates, rates_of

SOLUTIONS = (
    *PACK,
    "lr_scored",
    "solutions",
    "test_score",
    "test_score_low",
    "test_score_high",
    "generalisation_gap",
    "generalisation_gap_low",
    "generalisation_gap_high",
)
IN_OWN_TERMS = ("test_rmse", "test_balanced_accuracy", "test_perplexity")
"""Of these the one that the evaluation has, by the task."""


def solutions(
    selection: pd.DataFrame, evaluations: pd.DataFrame, outcomes: Outcomes
) -> pd.DataFrame:
    """Per pack, its main rate's test score and gap over the confirm seeds.

    evaluations: at the end of the budget; outcomes: of the same solutions.
    """
    rows = []
    of_rates = evaluations.merge(main_rates(selection), on=RATE).groupby(RATE, sort=True)
    for key, cells in of_rates:
        rows.append(
            dict(zip([*PACK, "lr_scored"], key, strict=True))
            | {"solutions": len(cells)}
            | outcomes.score(key).columns("test_score")
            | statistics.mean(cells["generalisation_gap"].tolist()).columns("generalisation_gap")
            | {name: cells[name].mean() for name in IN_OWN_TERMS if name in cells}
        )
    own = [name for name in IN_OWN_TERMS if name in evaluations]
    return pd.DataFrame(rows, columns=[*SOLUTIONS, *own])


def table(throughput: pd.DataFrame, parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One row per (variant, batch size), the variants in throughput's order.

    parts: tables of packs: ``steps.table``, ``solutions``, ``scores.differences``.
    Seconds = steps to target x seconds per step, their interval with the errors of both.
    A step of a batch that grows is charged as one of its mean size, between those timed: seconds
    are affine in the batch size, nearly.
    A pack whose rates all failed is there too, with what could be measured of it.
    """
    cost = ["micro_batches", "threads", "seconds_per_step", "examples_per_second", "peak_bytes"]
    timed = timings.over_passes(throughput[throughput["in_grid"]])
    merged = timed[[*PACK, *cost]].assign(
        clock=timings.hour_to_hour(timed), passes_agree=timings.passes_agree(timed)
    )
    for part in parts:
        merged = merged.merge(part, on=PACK, how="left", validate="one_to_one")
    numeric = [name for name in merged if "_to_target" in name]
    merged[numeric] = merged[numeric].astype(float)  # where nothing arrived they are objects
    seconds = merged["steps_to_target"] * seconds_of_mean_size(merged)
    merged["seconds_to_target"] = seconds
    for end, sign in (("low", -1), ("high", 1)):
        of_steps = np.log(merged[f"steps_to_target_{end}"] / merged["steps_to_target"])
        merged[f"seconds_to_target_{end}"] = seconds * np.exp(
            sign * np.hypot(of_steps, merged["clock"])
        )
    return in_order(merged.drop(columns="clock"), timed["variant"])


def seconds_of_mean_size(merged: pd.DataFrame) -> "pd.Series[float]":
    """The seconds of a step of every row's mean batch size on its way to the target: those of its
    batch size, unless that grows, and then between the variant's timed sizes; beyond the largest
    at its pace for each example."""
    sizes = (merged["examples_to_target"] / merged["steps_to_target"]).fillna(merged["batch_size"])
    seconds = merged["seconds_per_step"].copy()
    for _, rows in merged.groupby("variant"):
        timed = rows.dropna(subset=["seconds_per_step"]).sort_values("batch_size")
        if timed.empty:
            continue
        known, paces = timed["batch_size"].to_numpy(float), timed["seconds_per_step"].to_numpy()
        grown = rows.index[sizes[rows.index] > steps.GROWN * rows["batch_size"]]
        beyond = np.maximum(sizes[grown] / known[-1], 1)
        seconds[grown] = np.interp(sizes[grown], known, paces) * beyond
    return seconds


def in_order(table: pd.DataFrame, variants: pd.Series) -> pd.DataFrame:
    """Sorted by variant, as they first appear in ``variants``, and by batch size."""
    place = {name: index for index, name in enumerate(dict.fromkeys(variants))}
    return table.sort_values(
        PACK,
        key=lambda column: column.map(place) if column.name == "variant" else column,
        ignore_index=True,
    )


def rates_with_seconds(rates: pd.DataFrame, tradeoff: pd.DataFrame) -> pd.DataFrame:
    """Every screened rate's steps to target as seconds of one training at a time, too."""
    cost = tradeoff[PACK].assign(seconds_per_step=seconds_of_mean_size(tradeoff))
    timed = rates.merge(cost, on=PACK, how="left", validate="many_to_one")
    return timed.assign(median_seconds=timed["median_steps"] * timed["seconds_per_step"]).drop(
        columns="seconds_per_step"
    )


def rates_with_winners(rates: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """A column for each criterion, empty but for each batch size's winner: ``inside`` the grid of
    rates, or at its ``edge``."""
    for criterion in CRITERIA:
        won = selection[selection["criterion"] == criterion]
        marks = {criterion: np.where(won["at_edge"].astype(bool), "edge", "inside")}
        rates = rates.merge(
            rates_of(selection, criterion).assign(**marks),
            on=RATE,
            how="left",
            validate="one_to_one",
        )
    return rates.fillna(dict.fromkeys(CRITERIA, ""))


CURVES = (
    "train_loss", "train_loss_sd", "val_loss", "val_score", "weight_norm", "largest_weight",
    "update_to_weight",
)  # fmt: skip


def fastest_curves(history: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """The confirm seeds' curves of each pack's fastest rate, of its best one if none arrived."""
    chosen = history.merge(main_rates(selection), on=RATE)
    return chosen[[*CELL, "step", "epoch", *CURVES]]
