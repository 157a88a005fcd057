"""Which batch size to use: the one that reaches the target soonest within the limits."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.analysis.critical import FLAT, Critical
from pipeline.analysis.lines import Bend
from pipeline.params.protocol import Limits
from pipeline.selection import statistics
from pipeline.selection.keys import CELL, rows_of
from pipeline.selection.statistics import Estimate


@dataclass(frozen=True)
class Recommendation:
    """Rows of the tradeoff table; None with a reason where nothing can be recommended."""

    best: pd.Series | None
    runner_up: pd.Series | None
    reason: str


def lead(confirmed: pd.DataFrame, best: pd.Series, other: pd.Series) -> Estimate:
    """The seconds to target of another row over the best one's, paired by seed.

    confirmed: ``tradeoff.confirmed_steps``. The ratio of the rows where fewer than two seeds of
    both arrived. The seconds of a step count as known.
    """
    plain = float(other["seconds_to_target"] / best["seconds_to_target"])
    steps = confirmed.set_index(CELL)["steps_to_target"].sort_index()
    seeds = [steps.loc[row["variant"], row["batch_size"], row["lr"]] for row in (other, best)]
    ratios = (seeds[0] / seeds[1]).dropna()
    if len(ratios) < 2:
        return Estimate(plain, np.nan, np.nan, len(ratios))
    cost = plain * float(best["steps_to_target"] / other["steps_to_target"])
    return statistics.geometric_mean((ratios * cost).tolist())


MISSED_BY_SOME = "misses the target with some seeds"


def refusals(row: pd.Series, limits: Limits) -> list[str]:
    """Which limits a row breaks; a row that misses the target breaks the first rule of all."""
    broken = []
    if pd.isna(row["seconds_to_target"]):
        broken.append("misses the target")
    elif row["reached"] < row["seeds"]:
        broken.append(MISSED_BY_SOME)
    if limits.seconds is not None and row["seconds_to_target"] > limits.seconds:
        broken.append("limits.seconds")
    if limits.memory_gb is not None and row["peak_bytes"] > limits.memory_gb * 2**30:
        broken.append("limits.memory_gb")
    if limits.score is not None and not row["test_score"] >= limits.score:
        broken.append("limits.score")
    if row["score_difference"] < -limits.score_margin:
        broken.append("limits.score_margin")
    return broken


def recommend(tradeoff: pd.DataFrame, limits: Limits) -> Recommendation:
    """The row with the fewest seconds to target among those that respect the limits.

    Where none reaches the target with every seed, those that do with most seeds compete.
    """
    broken = [refusals(row, limits) for _, row in tradeoff.iterrows()]
    for forgiven in (set(), {MISSED_BY_SOME}):
        allowed = tradeoff[[not set(reasons) - forgiven for reasons in broken]]
        if not allowed.empty:
            ranked = allowed.sort_values(["seconds_to_target", "batch_size"])
            runner_up = ranked.iloc[1] if len(ranked) > 1 else None
            return Recommendation(ranked.iloc[0], runner_up, "")
    reasons = sorted({reason for reasons in broken for reason in reasons})
    return Recommendation(None, None, f"every batch size fails: {', '.join(reasons)}")


def is_not_worse(row: pd.Series, limits: Limits) -> bool:
    """Whether the whole 95 % interval of its score's difference from the best lies above minus
    the margin: a non-inferiority test at 2.5 %."""
    return bool(row["score_difference_low"] > -limits.score_margin)


@dataclass(frozen=True)
class Stricter:
    """What a limit just stricter than the recommended row would leave."""

    limit: str
    bound: float
    choice: pd.Series | None


def sensitivity(tradeoff: pd.DataFrame, limits: Limits, best: pd.Series) -> list[Stricter]:
    """For each limit the choice that it would force; nothing beats the best in seconds."""
    memory = float(np.nextafter(best["peak_bytes"] / 2**30, 0))
    asked = {"seconds": float(np.nextafter(best["seconds_to_target"], 0)), "memory_gb": memory}
    if not pd.isna(best["test_score"]):
        asked["score"] = float(np.nextafter(best["test_score"], np.inf))
    return [
        Stricter(name, bound, recommend(tradeoff, replace(limits, **{name: bound})).best)
        for name, bound in asked.items()
    ]


@dataclass(frozen=True)
class Rival:
    """What a rule of the literature would have chosen, or None where it says nothing here."""

    rule: str
    choice: pd.Series | None


def rivals(
    tradeoff: pd.DataFrame, best: pd.Series, critical: Critical | None, bend: Bend | None
) -> list[Rival]:
    """The largest batch that still saves steps, and the smallest that saturates throughput.

    Larger batches save steps up to FLAT times the critical batch size; throughput saturates at
    its bend. Both look at the recommended variant alone.
    """
    rows = rows_of(tradeoff, best["variant"]).sort_values("batch_size")
    useful = rows[rows["batch_size"] <= FLAT * critical.curve.critical] if critical else rows[:0]
    saturating = rows[rows["batch_size"] >= bend.at.value] if bend else rows[:0]
    return [
        Rival("largest batch that still saves steps", None if useful.empty else useful.iloc[-1]),
        Rival(
            "smallest batch beyond the bend of throughput",
            None if saturating.empty else saturating.iloc[0],
        ),
    ]
