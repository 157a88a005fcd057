"""Which batch size to use: the one whose choice costs least in expectation, within the limits."""

from dataclasses import dataclass

import pandas as pd

from pipeline.analysis.critical import FLAT, Critical
from pipeline.analysis.lines import Affine
from pipeline.params.protocol import Limits
from pipeline.selection.keys import rows_of

SATURATED = 0.8
EQUAL = 0.01
"""Expected costs that differ by no more than this are the same."""
WORSE_SCORE = "limits.score_margin"
NO_SECONDS = "seconds per step that nobody measured"


@dataclass(frozen=True)
class Recommendation:
    """Rows of the tradeoff table; None with a reason where nothing can be recommended.

    passed_over: the row that would be recommended if its test score were not shown to be worse.
    """

    best: pd.Series | None
    runner_up: pd.Series | None
    reason: str
    passed_over: pd.Series | None = None


def refusals(row: pd.Series, limits: Limits) -> list[str]:
    """Which limits a row breaks; one that misses the target with half its seeds or more breaks the
    first rule of all. Timings that cannot be trusted break every row.

    A score is refused for being worse than the best one only where that is shown: where the whole
    interval of the difference lies below the margin.
    """
    broken = []
    if not row["passes_agree"]:
        broken.append("timings that contradict each other")
    if pd.isna(row["seconds_per_step"]):
        return [NO_SECONDS]
    if pd.isna(row["seconds_to_target"]) or row["reached"] <= row["seeds"] / 2:
        broken.append("misses the target")
    if limits.seconds is not None and row["seconds_to_target"] > limits.seconds:
        broken.append("limits.seconds")
    if limits.memory_gb is not None and row["peak_bytes"] > limits.memory_gb * 2**30:
        broken.append("limits.memory_gb")
    if limits.score is not None and not row["test_score"] >= limits.score:
        broken.append("limits.score")
    if row["score_difference_high"] < -limits.score_margin:
        broken.append(WORSE_SCORE)
    return broken


def allowed(table: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The rows of a tradeoff that break none."""
    keep = [place for place, row in table.iterrows() if not refusals(row, limits)]
    return table.loc[keep]


def recommend(tradeoff: pd.DataFrame, limits: Limits) -> Recommendation:
    """The row with the least regret among those that respect the limits; of rows whose regrets are
    equal the one that takes less memory.

    The runner-up is the next in regret.
    """
    broken = [refusals(row, limits) for _, row in tradeoff.iterrows()]
    allowed = tradeoff[[not reasons for reasons in broken]]
    if allowed.empty:
        reasons = sorted({reason for reasons in broken for reason in reasons})
        return Recommendation(None, None, f"every batch size fails: {', '.join(reasons)}")
    best = least_regret(allowed)
    others = allowed.drop(index=best.name).sort_values(["regret", "batch_size"])
    scored = tradeoff[[set(reasons) <= {WORSE_SCORE} for reasons in broken]]
    first = least_regret(scored)
    return Recommendation(
        best,
        others.iloc[0] if len(others) else None,
        "",
        None if first.name == best.name else first,
    )


def least_regret(rows: pd.DataFrame) -> pd.Series:
    """The row of least regret, or of least memory among its equals."""
    equal = rows[rows["regret"] <= rows["regret"].min() + EQUAL]
    return equal.sort_values(["peak_bytes", "batch_size"]).iloc[0]


def is_not_worse(row: pd.Series, limits: Limits) -> bool:
    """Whether the whole 95 % interval of its score's difference from the best lies above minus
    the margin: a non-inferiority test at 2.5 %."""
    return bool(row["score_difference_low"] > -limits.score_margin)


@dataclass(frozen=True)
class Rival:
    """What a rule of the literature would have chosen, or None where it says nothing here."""

    rule: str
    choice: pd.Series | None


def rivals(
    tradeoff: pd.DataFrame, best: pd.Series, critical: Critical | None, law: Affine | None
) -> list[Rival]:
    """The largest batch that still saves steps, and the smallest that saturates throughput.

    Larger batches save steps up to FLAT times the critical batch size; throughput saturates at
    SATURATED of what the marginal cost of an example allows. Both look at the recommended variant
    alone. law: of the seconds per step.
    """
    rows = rows_of(tradeoff, best["variant"]).sort_values("batch_size")
    useful = rows[rows["batch_size"] <= FLAT * critical.curve.critical] if critical else rows[:0]
    saturating = rows[rows["batch_size"] >= law.saturates(SATURATED)] if law else rows[:0]
    return [
        Rival("largest batch that still saves steps", None if useful.empty else useful.iloc[-1]),
        Rival(
            f"smallest batch at {SATURATED:.0%} of the greatest throughput",
            None if saturating.empty else saturating.iloc[0],
        ),
    ]
