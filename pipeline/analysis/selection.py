"""The learning rates worth confirming: one is fastest to target, one scores best."""

import numpy as np
import pandas as pd

from pipeline.analysis.targets import CELL, PACK, best_per_cell, steps_to_target

CRITERIA = ("fastest", "best_score")


def by_rate(lanes: pd.DataFrame, history: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    """One row per (variant, batch size, rate): medians over seeds, and what happened to the seeds.

    median_steps counts a seed that missed the target as infinite, median_best a diverged one as
    -inf (turned: higher is better).
    """
    cells = best_per_cell(lanes, metric).merge(
        lanes[[*CELL, "status", "best_val_loss"]], on=CELL, validate="one_to_one"
    )
    steps = steps_to_target(history, metric, target)
    cells = cells.merge(steps, on=CELL, how="left", validate="one_to_one")
    cells["steps"] = cells["steps_to_target"].where(cells["status"] == "finished").fillna(np.inf)
    cells["diverged"] = cells["status"] == "diverged"
    cells["loss"] = cells["best_val_loss"].where(~cells["diverged"], np.inf)
    return (
        cells.groupby([*PACK, "lr"], sort=True)
        .agg(
            seeds=("seed", "size"),
            diverged=("diverged", "sum"),
            reached=("steps", lambda steps: int(np.isfinite(steps).sum())),
            median_steps=("steps", "median"),
            median_best=("best", "median"),
            median_loss=("loss", "median"),
        )
        .reset_index()
    )


def winners(rates: pd.DataFrame) -> pd.DataFrame:
    """Up to two rows per pack, one for each criterion; a pack without an eligible rate has none.

    Ties go to the other criterion, then to the lower loss, then to the smaller rate. ``at_edge``
    says that the winner is the first or last rate of its pack's grid.
    """
    orders = {
        "fastest": (["median_steps", "median_best"], [True, False]),
        "best_score": (["median_best", "median_loss", "median_steps"], [False, True, True]),
    }
    rows = []
    for _, table in rates.groupby(PACK, sort=True):
        ends = (table["lr"].min(), table["lr"].max())
        for criterion in CRITERIA:
            columns, ascending = orders[criterion]
            eligible = table[np.isfinite(table[columns[0]])]
            if not eligible.empty:
                best = eligible.sort_values([*columns, "lr"], ascending=[*ascending, True]).iloc[0]
                at_edge = len(table) > 1 and best["lr"] in ends
                rows.append({**best, "criterion": criterion, "at_edge": at_edge})
    columns = [*PACK, "criterion", "lr", "at_edge"]
    rest = [name for name in rates.columns if name not in columns]
    return pd.DataFrame(rows, columns=[*columns, *rest])
