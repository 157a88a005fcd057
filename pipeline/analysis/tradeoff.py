"""What each batch size costs and gives: the table that the recommendation is read from."""

import numpy as np
import pandas as pd

from pipeline.selection import statistics
from pipeline.selection.keys import CELL, CRITERIA, PACK, RATE, rows_of
from pipeline.selection.statistics import Estimate
from pipeline.selection.targets import steps_to_target
from pipeline.selection.winners import main_rates, rates_of

SPEED = (
    *RATE,
    "at_edge",
    "seeds",
    "reached",
    "steps_to_target",
    "steps_to_target_low",
    "steps_to_target_high",
    "examples_to_target",
)
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
IN_OWN_TERMS = ("test_rmse", "test_balanced_accuracy")
"""Of the task's two the one that the evaluation has."""
DIFFERENCES = (*PACK, "score_difference", "score_difference_low", "score_difference_high")


def steps_estimate(steps: np.ndarray) -> Estimate:
    """Steps to target over seeds; NaN is a seed that missed it.

    The geometric mean with its interval where all seeds reached it; the plain median without an
    interval where only most did; NaN where at most half did.
    """
    reached = int(np.isfinite(steps).sum())
    if reached == len(steps):
        return statistics.geometric_mean(list(steps))
    median = float(np.median(np.where(np.isfinite(steps), steps, np.inf)))
    value = median if reached > len(steps) / 2 else np.nan
    return Estimate(value, np.nan, np.nan, len(steps))


def speed(selection: pd.DataFrame, confirmed: pd.DataFrame) -> pd.DataFrame:
    """Per pack, the fastest rate's steps and examples to target over the confirm seeds.

    Each cell of ``confirmed`` has its evaluations, so a diverged seed counts as a miss.
    """
    rows = []
    for winner in selection[selection["criterion"] == "fastest"].itertuples():
        cells = rows_of(confirmed, winner.variant, winner.batch_size, winner.lr)
        steps = cells["steps_to_target"].to_numpy(dtype=float)
        rows.append(
            {"variant": winner.variant, "batch_size": winner.batch_size, "lr": winner.lr}
            | {"at_edge": winner.at_edge, "seeds": len(steps)}
            | {"reached": int(np.isfinite(steps).sum())}
            | steps_estimate(steps).columns("steps_to_target")
            | {"examples_to_target": steps_estimate(cells["examples_to_target"].to_numpy()).value}
        )
    return pd.DataFrame(rows, columns=SPEED)


def solutions(selection: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Per pack, its main rate's test score and gap over the confirm seeds."""
    rows = []
    of_rates = scores.merge(main_rates(selection), on=RATE).groupby(RATE, sort=True)
    for key, cells in of_rates:
        rows.append(
            dict(zip([*PACK, "lr_scored"], key, strict=True))
            | {"solutions": len(cells)}
            | statistics.mean(cells["test_score"].tolist()).columns("test_score")
            | statistics.mean(cells["generalisation_gap"].tolist()).columns("generalisation_gap")
            | {name: cells[name].mean() for name in IN_OWN_TERMS if name in cells}
        )
    return pd.DataFrame(rows, columns=[*SOLUTIONS, *(n for n in IN_OWN_TERMS if n in scores)])


def score_differences(selection: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Per pack, the test score at its main rate minus the best one's, paired by seed; the best has
    the highest mean of all packs' winners, be they fastest or best-scoring."""
    winners = selection.loc[selection["criterion"].isin(CRITERIA), RATE].drop_duplicates()
    of_winners = scores.merge(winners, on=RATE)
    if of_winners.empty:
        return pd.DataFrame(columns=DIFFERENCES)
    by_seed = of_winners.pivot(index="seed", columns=RATE, values="test_score")
    differences = by_seed.sub(by_seed[by_seed.mean().idxmax()], axis=0)
    rows = [
        dict(zip(PACK, rate[:2], strict=True))
        | statistics.mean(differences[rate].dropna().tolist()).columns("score_difference")
        for rate in main_rates(selection).itertuples(index=False, name=None)
        if rate in differences
    ]
    return pd.DataFrame(rows, columns=DIFFERENCES)


def confirmed_steps(
    history: pd.DataFrame, cells: pd.DataFrame, metric: str, target: float
) -> pd.DataFrame:
    """One row per confirmed cell: the steps it took, and the steps and examples to the target, NaN
    for a miss or a divergence."""
    steps = steps_to_target(history, metric, target)
    table = cells[[*CELL, "status", "steps"]].merge(
        steps, on=CELL, how="left", validate="one_to_one"
    )
    to_target = ["steps_to_target", "examples_to_target"]
    table[to_target] = table[to_target].where(table["status"] == "finished")
    return table


def table(
    selection: pd.DataFrame,
    confirmed: pd.DataFrame,
    scores: pd.DataFrame,
    throughput: pd.DataFrame,
) -> pd.DataFrame:
    """One row per (variant, batch size), the variants in throughput's order.

    confirmed: ``confirmed_steps``; scores: evaluations at the end of the budget.
    Seconds = steps to target x seconds per step.
    A step of a batch that has grown is charged by its examples, at the pace of the first size.
    A pack whose rates all failed is there too, with what could be measured of it.
    """
    cost = ["micro_batches", "seconds_per_step", "examples_per_second", "peak_bytes"]
    timed = throughput[throughput["in_grid"]]
    merged = timed[[*PACK, *cost]]
    for part in (
        speed(selection, confirmed),
        solutions(selection, scores),
        score_differences(selection, scores),
    ):
        merged = merged.merge(part, on=PACK, how="left", validate="one_to_one")
    growth = merged["examples_to_target"] / (merged["steps_to_target"] * merged["batch_size"])
    for bound in ("", "_low", "_high"):
        seconds = merged[f"steps_to_target{bound}"] * merged["seconds_per_step"] * growth
        merged[f"seconds_to_target{bound}"] = seconds
    return in_order(merged, timed["variant"])


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
    cost = tradeoff[[*PACK, "seconds_per_step"]]
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
