"""The same comparison of batch sizes under budgets that favour different ones.

Equal epochs give small batches more steps, equal steps give large batches more examples; papers
that disagree about batch size often differ in this alone.
"""

import numpy as np
import pandas as pd

from pipeline.selection import statistics
from pipeline.selection.keys import CELL, PACK, RATE, WHOLE


def common(history: pd.DataFrame) -> dict[str, tuple[str, float]]:
    """For each budget the column that counts it and how much of it every pack has."""
    last = history.groupby(PACK)[["step", "epoch"]].max()
    return {
        "equal epochs": ("epoch", float(last["epoch"].min())),
        "equal steps": ("step", float(last["step"].min())),
        WHOLE: ("step", np.inf),
    }


def compare(history: pd.DataFrame) -> pd.DataFrame:
    """One row per (budget, variant, batch size): the rate whose mean over seeds of the best
    validation score within the budget is highest, and that mean with its interval.

    From the screening seeds, among which the rate was chosen, too: the best of several is
    flattered a little, alike at every batch size. Rates that a seed did not survive are left out.
    """
    limits, rows = common(history), []
    seeds = history.groupby(PACK)["seed"].nunique()
    for name, (counter, limit) in limits.items():
        inside = history[history[counter] <= limit * (1 + 1e-9)]
        best = inside.groupby(CELL)["val_score"].max().reset_index()
        for pack, scores in best.groupby(PACK, sort=True):
            by_rate = scores.groupby("lr")["val_score"].agg(["mean", "size"])
            survived = by_rate.loc[by_rate["size"] == seeds[pack], "mean"]
            if survived.empty:
                continue
            lr = float(survived.idxmax())
            score = statistics.mean(scores.loc[scores["lr"] == lr, "val_score"].tolist())
            key = {"budget": name, "limit": limit, "variant": pack[0], "batch_size": pack[1]}
            rows.append({**key, "lr": lr, **score.columns("val_score"), "seeds": score.n})
    columns = ["budget", "limit", *RATE, "val_score", "val_score_low", "val_score_high"]
    return pd.DataFrame(rows, columns=[*columns, "seeds"])
