"""What each batch size costs and gives: the table that the recommendation is read from."""

import numpy as np
import pandas as pd

from pipeline.analysis import statistics
from pipeline.analysis.selection import CRITERIA, main_rates
from pipeline.analysis.statistics import Estimate
from pipeline.analysis.targets import PACK, steps_to_target

SPEED = (
    *PACK,
    "lr",
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


def columns(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as the columns name, name_low and name_high."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


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
    fastest = selection[selection["criterion"] == "fastest"]
    rows = []
    for winner in fastest.itertuples():
        own = confirmed[
            (confirmed["variant"] == winner.variant)
            & (confirmed["batch_size"] == winner.batch_size)
            & (confirmed["lr"] == winner.lr)
        ]
        cells = own["steps_to_target"].to_numpy(dtype=float)
        estimate = steps_estimate(cells)
        rows.append(
            {"variant": winner.variant, "batch_size": winner.batch_size, "lr": winner.lr}
            | {"at_edge": winner.at_edge, "seeds": len(cells)}
            | {"reached": int(np.isfinite(cells).sum())}
            | columns("steps_to_target", estimate)
            | {"examples_to_target": steps_estimate(own["examples_to_target"].to_numpy()).value}
        )
    return pd.DataFrame(rows, columns=SPEED)


def solutions(selection: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """Per pack, its main rate's test score and gap over the confirm seeds."""
    rates = main_rates(selection)
    rows = []
    for key, own in evaluation.merge(rates, on=[*PACK, "lr"]).groupby([*PACK, "lr"], sort=True):
        rows.append(
            dict(zip([*PACK, "lr_scored"], key, strict=True))
            | {"solutions": len(own)}
            | columns("test_score", statistics.mean(own["test_score"].tolist()))
            | columns("generalisation_gap", statistics.mean(own["generalisation_gap"].tolist()))
            | {name: own[name].mean() for name in IN_OWN_TERMS if name in own}
        )
    return pd.DataFrame(rows, columns=[*SOLUTIONS, *(n for n in IN_OWN_TERMS if n in evaluation)])


def score_differences(selection: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """Per pack, the test score at its main rate minus the best one's, paired by seed; the best has
    the highest mean of all packs' winners, be they fastest or best-scoring."""
    key = [*PACK, "lr"]
    winners = selection.loc[selection["criterion"].isin(CRITERIA), key].drop_duplicates()
    own = evaluation.merge(winners, on=key)
    if own.empty:
        return pd.DataFrame(columns=DIFFERENCES)
    scores = own.pivot(index="seed", columns=key, values="test_score")
    differences = scores.sub(scores[scores.mean().idxmax()], axis=0)
    rows = [
        dict(zip(PACK, rate[:2], strict=True))
        | columns("score_difference", statistics.mean(differences[rate].dropna().tolist()))
        for rate in main_rates(selection).itertuples(index=False, name=None)
        if rate in differences
    ]
    return pd.DataFrame(rows, columns=DIFFERENCES)


def confirmed_steps(
    history: pd.DataFrame, lanes: pd.DataFrame, metric: str, target: float
) -> pd.DataFrame:
    """One row per confirmed cell: the steps it took, and the steps and examples to the target, NaN
    for a miss or a divergence."""
    key = [*PACK, "lr", "seed"]
    steps = steps_to_target(history, metric, target)
    table = lanes[[*key, "status", "steps"]].merge(steps, on=key, how="left", validate="one_to_one")
    to_target = ["steps_to_target", "examples_to_target"]
    table[to_target] = table[to_target].where(table["status"] == "finished")
    return table


def table(
    selection: pd.DataFrame,
    history: pd.DataFrame,
    lanes: pd.DataFrame,
    evaluation: pd.DataFrame,
    throughput: pd.DataFrame,
) -> pd.DataFrame:
    """One row per (variant, batch size), the variants in throughput's order.

    Seconds = steps to target x seconds per step.
    A step of a batch that has grown is charged by its examples, at the pace of the first size.
    A pack whose rates all failed is there too, with what could be measured of it.
    """
    metric, target = selection["metric"].iloc[0], float(selection["target"].iloc[0])
    cost = ["micro_batches", "seconds_per_step", "examples_per_second", "peak_bytes"]
    throughput = throughput[throughput["in_grid"]]
    confirmed = confirmed_steps(history, lanes, metric, target)
    merged = throughput[[*PACK, *cost]].merge(
        speed(selection, confirmed), on=PACK, how="left", validate="one_to_one"
    )
    merged = merged.merge(
        solutions(selection, evaluation), on=PACK, how="left", validate="one_to_one"
    )
    merged = merged.merge(
        score_differences(selection, evaluation), on=PACK, how="left", validate="one_to_one"
    )
    growth = merged["examples_to_target"] / (merged["steps_to_target"] * merged["batch_size"])
    for bound in ("", "_low", "_high"):
        seconds = merged[f"steps_to_target{bound}"] * merged["seconds_per_step"] * growth
        merged[f"seconds_to_target{bound}"] = seconds
    return in_order(merged, throughput["variant"])


def in_order(table: pd.DataFrame, variants: pd.Series) -> pd.DataFrame:
    """Sorted by variant, as they first appear in ``variants``, and by batch size."""
    place = {name: index for index, name in enumerate(dict.fromkeys(variants))}
    return table.sort_values(
        PACK,
        key=lambda own: own.map(place) if own.name == "variant" else own,
        ignore_index=True,
    )
