"""The same comparison of batch sizes under budgets that favour different ones.

Equal epochs give small batches more steps, equal steps give large batches more examples; papers
that disagree about batch size often differ in this alone.
"""

import numpy as np
import pandas as pd

from pipeline.selection import statistics
from pipeline.selection.keys import CELL, PACK, RATE, SAME_RATE, STOPPED, WHOLE


def whole(lanes: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The history of the variants none of whose trainings were stopped before their budget's end:
    of others no budget can be compared."""
    stopped = lanes.loc[lanes["status"] == STOPPED, "variant"]
    return history[~history["variant"].isin(stopped)]


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
            survived = by_rate.loc[by_rate["size"] == seeds[pack], "mean"].dropna()
            if survived.empty:
                continue
            lr = float(survived.idxmax())
            score = statistics.mean(scores.loc[scores["lr"] == lr, "val_score"].tolist())
            key = {"budget": name, "limit": limit, "variant": pack[0], "batch_size": pack[1]}
            rows.append({**key, "lr": lr, **score.columns("val_score"), "seeds": score.n})
    columns = ["budget", "limit", *RATE, "val_score", "val_score_low", "val_score_high"]
    return pd.DataFrame(rows, columns=[*columns, "seeds"])


def of_shared_rates(history: pd.DataFrame) -> pd.DataFrame:
    """The trainings at rates that all batch sizes of their variant trained."""
    tried = history[RATE].drop_duplicates()
    sizes = tried.groupby("variant")["batch_size"].nunique()
    by_rate = tried.groupby(["variant", "lr"])["batch_size"].nunique().rename("sizes").reset_index()
    shared = by_rate[by_rate["sizes"] == by_rate["variant"].map(sizes)]
    return history.merge(shared[["variant", "lr"]], on=["variant", "lr"])


def equal_loss(history: pd.DataFrame, selection: pd.DataFrame) -> dict[tuple[str, int], int]:
    """For each pack the step at which the median training loss over seeds, at the rate that all
    batch sizes share, is down to the lowest loss that all batch sizes of the variant come down to.

    history: of the screening. A batch size that lost a seed at that rate is left out.
    """
    same = selection.loc[selection["criterion"] == SAME_RATE, RATE]
    curves = history.merge(same, on=RATE)
    seeds = history.groupby(PACK)["seed"].nunique()
    by_step = curves.groupby([*PACK, "step"])["train_loss"].agg(["median", "size"]).reset_index()
    whole = by_step[by_step["size"] == by_step[PACK].merge(seeds, on=PACK)["seed"].to_numpy()]
    if whole.empty:
        return {}
    common_loss = whole.groupby(PACK)["median"].min().groupby("variant").max()
    return {
        (str(variant), int(size)): step_at_loss(table, common_loss[variant])
        for (variant, size), table in whole.groupby(PACK)
    }


def step_at_loss(table: pd.DataFrame, loss: float) -> int:
    """The step at which one curve comes down to a loss, interpolated in logarithms.

    table: step and median, which is a mean over the interval before the step: that of its middle.
    """
    steps, losses = table["step"].to_numpy(float), table["median"].to_numpy(float)
    middles = (steps + np.append(0, steps[:-1])) / 2
    after = int(np.flatnonzero(losses <= loss)[0])
    if after == 0:
        return int(steps[0])
    ends = slice(after - 1, after + 1)
    falling, logs = -np.log(losses[ends]), np.log(middles[ends])
    return max(1, round(float(np.exp(np.interp(-np.log(loss), falling, logs)))))
