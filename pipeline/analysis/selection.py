"""The learning rates worth confirming: one is fastest to target, one scores best, and one is
best under each budget that batch sizes are compared under."""

import numpy as np
import pandas as pd

from pipeline.analysis.targets import CELL, PACK, best_per_cell, steps_to_target

CRITERIA = ("fastest", "best_score")
BUDGET_CRITERIA = {"equal epochs": "equal_epochs", "equal steps": "equal_steps"}
SAME_RATE = "same_rate"


def by_rate(lanes: pd.DataFrame, history: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    """One row per (variant, batch size, rate): medians over seeds, and what happened to the seeds.

    median_steps counts a seed that missed the target as infinite, median_best (of the metric,
    turned so that higher is better) a diverged one as -inf; median_score is NaN
    where one diverged.
    """
    cells = best_per_cell(lanes, metric).merge(
        lanes[[*CELL, "status", "best_val_score", "best_val_loss"]], on=CELL, validate="one_to_one"
    )
    steps = steps_to_target(history, metric, target)
    cells = cells.merge(steps, on=CELL, how="left", validate="one_to_one")
    cells["steps"] = cells["steps_to_target"].where(cells["status"] == "finished").fillna(np.inf)
    cells["diverged"] = cells["status"] == "diverged"
    cells["loss"] = cells["best_val_loss"].where(~cells["diverged"], np.inf)
    cells["score"] = cells["best_val_score"].where(~cells["diverged"])
    return (
        cells.groupby([*PACK, "lr"], sort=True)
        .agg(
            seeds=("seed", "size"),
            diverged=("diverged", "sum"),
            reached=("steps", lambda steps: int(np.isfinite(steps).sum())),
            median_steps=("steps", "median"),
            median_best=("best", "median"),
            median_score=("score", lambda scores: scores.median(skipna=False)),
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
        for criterion in CRITERIA:
            columns, ascending = orders[criterion]
            eligible = table[np.isfinite(table[columns[0]])]
            if not eligible.empty:
                best = eligible.sort_values([*columns, "lr"], ascending=[*ascending, True]).iloc[0]
                rows.append(chosen(table, best, criterion))
    return as_selection(rows, rates)


def chosen(table: pd.DataFrame, best: pd.Series, criterion: str) -> dict[str, object]:
    """The row of a pack's table that was chosen, with what for and whether it is an end of it."""
    ends = (table["lr"].min(), table["lr"].max())
    at_edge = len(table) > 1 and best["lr"] in ends
    return {**best, "criterion": criterion, "at_edge": at_edge}


def as_selection(rows: list[dict[str, object]], rates: pd.DataFrame) -> pd.DataFrame:
    """Chosen rows as a table, their columns in a fixed order."""
    columns = [*PACK, "criterion", "lr", "at_edge"]
    rest = [name for name in rates.columns if name not in columns]
    return pd.DataFrame(rows, columns=[*columns, *rest])


def main_rates(selection: pd.DataFrame) -> pd.DataFrame:
    """Each pack's fastest rate, or, where none reaches the target, its best-scoring one."""
    own = selection[selection["criterion"].isin(CRITERIA)]
    order = own.sort_values("criterion", key=lambda names: names.map(CRITERIA.index), kind="stable")
    return order.drop_duplicates(PACK)[[*PACK, "lr"]]


def under_budgets(rates: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Rows like those of ``winners``: the best rate of every pack under equal epochs and equal
    steps, and the smallest batch size's best rate under equal epochs at every batch size.

    shares: ``budgets.compare`` of the same trainings. A pack that did not train the smallest
    batch size's rate, or all of whose rates lost a seed, has no such row.
    """
    rows = []
    for variant, own in shares.groupby("variant", sort=True):
        wanted = [
            (size, lr, BUDGET_CRITERIA[name])
            for name, size, lr in zip(own["budget"], own["batch_size"], own["lr"], strict=True)
            if name in BUDGET_CRITERIA
        ]
        same = [lr for _, lr, criterion in sorted(wanted) if criterion == "equal_epochs"][:1]
        sizes = rates.loc[rates["variant"] == variant, "batch_size"].unique()
        wanted += [(size, lr, SAME_RATE) for size in sizes for lr in same]
        for size, lr, criterion in wanted:
            table = rates[(rates["variant"] == variant) & (rates["batch_size"] == size)]
            rows += [
                chosen(table, best, criterion) for _, best in table[table["lr"] == lr].iterrows()
            ]
    return as_selection(rows, rates)
