"""What counts as trained, and how many steps it took.

A higher score is better and a lower loss is; inside this module both are turned so that
higher is better.
"""

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.selection import statistics
from pipeline.selection.keys import CELL, PACK

EASIER, HARDER = 1.5, 0.75


def turned(values: pd.Series, metric: str) -> pd.Series:
    """The metric's values, or for a loss their negatives."""
    return -values if metric == "val_loss" else values


def best_per_cell(lanes: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Each cell's best value of the metric, turned; -inf for a diverged cell."""
    table = lanes[CELL].copy()
    best = turned(lanes[f"best_{metric}"], metric)
    table["best"] = best.where(lanes["status"] == "finished", -np.inf)
    return table


def tuned_bests(lanes: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Per pack, the best rate's median over seeds of the cells' bests, and its standard error.

    The lower median of an even number of seeds, so that more than half of them reach it.
    """
    cells = best_per_cell(lanes, metric)
    rows = []
    for pack, table in cells.groupby(PACK, sort=True):
        medians = table.groupby("lr")["best"].quantile(0.5, interpolation="lower")
        bests = table.loc[table["lr"] == medians.idxmax(), "best"]
        rows.append((*pack, medians.max(), statistics.standard_error(bests[np.isfinite(bests)])))
    return pd.DataFrame(rows, columns=[*PACK, "best", "standard_error"])


def auto_target(lanes: pd.DataFrame, metric: str) -> float:
    """The loosest of the packs' own tuned bests, less one standard error.

    lanes: of the study's first variant alone, so that another variant, be it good or bad, does not
    move the target.

    Raises InputError when every cell diverged.
    """
    bests = tuned_bests(lanes, metric)
    bests = bests[np.isfinite(bests["best"])]
    if bests.empty:
        raise InputError("target.value: 'auto' needs a rate at which most seeds do not diverge")
    loosest = bests.loc[bests["best"].idxmin()]
    target = loosest["best"] - loosest["standard_error"]
    return float(-target if metric == "val_loss" else target)


def alternatives(metric: str, target: float) -> dict[str, float]:
    """An easier and a harder target: 1.5 and 0.75 times the loss, or the error 1 - score."""
    if metric == "val_loss":
        return {"easier": EASIER * target, "harder": HARDER * target}
    error = 1 - target
    return {"easier": 1 - EASIER * error, "harder": 1 - HARDER * error}


def crossing(steps: np.ndarray, values: np.ndarray, target: float) -> float:
    """The first step at which ``values`` reach ``target``, NaN if never.

    Interpolated linearly in the logarithm of steps between two evaluations, of which the earlier
    must be a number.
    """
    reached = np.flatnonzero(values >= target)
    if len(reached) == 0:
        return float("nan")
    after = reached[0]
    if after == 0 or np.isnan(values[after - 1]):
        return float(steps[after])
    share = (target - values[after - 1]) / (values[after] - values[after - 1])
    low, high = np.log(steps[after - 1]), np.log(steps[after])
    return float(np.exp(low + share * (high - low)))


def steps_to_target(history: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    """One row per cell of the history: steps_to_target and examples_to_target, NaN for a cell that
    missed it."""
    aim = -target if metric == "val_loss" else target
    rows = []
    for cell, table in history.sort_values("step").groupby(CELL, sort=True):
        values = turned(table[metric], metric).to_numpy()
        step = crossing(table["step"].to_numpy(), values, aim)
        seen = np.interp(step, [0, *table["step"]], [0, *table["examples"]])
        rows.append((*cell, step, seen))
    kinds = {"batch_size": "int64", "lr": float, "seed": "int64"}
    kinds |= {"steps_to_target": float, "examples_to_target": float}
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*CELL, *kinds]))).astype(kinds)
