"""The learning rates worth confirming: one is fastest to target, one scores best, and one is
best under each budget that batch sizes are compared under."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.selection import budgets, targets
from pipeline.selection.keys import (
    BUDGET_CRITERIA,
    CELL,
    CRITERIA,
    EQUAL_EPOCHS,
    NEXT_FASTEST,
    PACK,
    RATE,
    SAME_RATE,
    STOPPED,
    TWO_FASTEST,
    rows_of,
)
from pipeline.selection.response import response
from pipeline.selection.targets import Validation, arrivals, best_per_cell

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
BESTS = ["best_val_score", "best_val_loss"]


def select(
    params: Params, lanes: pd.DataFrame, history: pd.DataFrame, validation: Validation, pilot: int
) -> pd.DataFrame:
    """selection.csv: the winners of the screening, with the target they were chosen for.

    lanes, history: of all packs; pilot: the batch size that an automatic target comes from.

    Raises InputError where no rate reaches the target at most seeds.
    """
    metric, target = params.target.metric, params.target.value
    smooth = targets.curves(lanes, history, metric)
    if target == "auto":
        first = params.grid.variant[0]
        target = targets.auto_target(
            rows_of(lanes, first), rows_of(smooth, first), metric, validation, pilot
        )
    rates = by_rate(lanes, smooth, metric, target)
    chosen = winners(rates)
    if not (chosen["criterion"] == "fastest").any():
        best = targets.tuned_bests(lanes, smooth)["best"].abs()
        rule = f"is reached by no rate at most seeds; the best {metric} is {best.max():.4g}"
        raise InputError(f"target.value: {target!r} {rule}")
    more = under_budgets(rates, budgets.whole(lanes, history))
    if len(more):
        chosen = pd.concat([chosen, more], ignore_index=True)
    return chosen.assign(metric=metric, target=target)


def by_rate(lanes: pd.DataFrame, smooth: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    """One row per (variant, batch size, rate): medians over seeds, and what happened to the seeds.

    smooth: ``targets.curves`` of the same cells. median_steps counts a seed that missed the target
    as infinite, median_best (of the metric, turned so that higher is better) a diverged one as
    -inf; median_score is NaN where one diverged, and all but steps where one was stopped before the
    end. response_steps: ``response`` of the pack.
    """
    cells = arrivals(lanes, smooth, metric, target)
    for part in (
        best_per_cell(lanes, metric),
        lanes[[*CELL, "status", "steps", *BESTS]].rename(columns={"steps": "trained"}),
    ):
        cells = cells.merge(part, on=CELL, validate="one_to_one")
    cells["arrival"] = cells["steps"].where(~cells["missed"])
    cells["diverged"] = cells["status"] == "diverged"
    cells["stopped"] = cells["status"] == STOPPED
    cells["loss"] = cells["best_val_loss"].where(~cells["diverged"], np.inf)
    cells["score"] = cells["best_val_score"].where(~cells["diverged"])
    cells[["loss", "score"]] = cells[["loss", "score"]].mask(cells["stopped"])
    rates = (
        cells.groupby(RATE, sort=True)
        .agg(
            seeds=("seed", "size"),
            diverged=("diverged", "sum"),
            stopped=("stopped", "sum"),
            trained_steps=("trained", "max"),
            reached=("arrival", "count"),
            median_steps=("arrival", lambda steps: steps.fillna(np.inf).median()),
            median_best=("best", known_median),
            median_score=("score", known_median),
            median_loss=("loss", known_median),
        )
        .reset_index()
    )
    return rates.merge(responses(cells), on=RATE, validate="one_to_one")


def known_median(values: pd.Series) -> float:
    """The median, NaN where a value is."""
    return float(values.median(skipna=False))


def responses(arrived: pd.DataFrame) -> pd.DataFrame:
    """response_steps by rate: ``response`` of every pack. arrived: ``targets.arrivals``."""
    parts = [
        response(cells)
        .rename("response_steps")
        .reset_index()
        .assign(**dict(zip(PACK, pack, strict=True)))
        for pack, cells in arrived.groupby(PACK, sort=True)
    ]
    columns = [*RATE, "response_steps"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def winners(rates: pd.DataFrame) -> pd.DataFrame:
    """Up to three rows per pack, one for each criterion, and one for the second fastest rate; a
    pack without an eligible rate has none.

    Ties go to the other criterion, then to the lower loss, then to the smaller rate. Which rate
    scores best is not known of a variant with trainings that were stopped: there the fastest one
    stands for it. ``at_edge`` says that the winner is the first or last rate of its pack's grid.
    """
    orders = {
        "fastest": (["response_steps", "median_best"], [True, False]),
        "best_score": (["median_best", "median_loss", "median_steps"], [False, True, True]),
    }
    rows = []
    stopped = set(rates.loc[rates["stopped"] > 0, "variant"])
    for (variant, _), grid_rates in rates.groupby(PACK, sort=True):
        for criterion in CRITERIA:
            columns, ascending = orders["fastest" if variant in stopped else criterion]
            eligible = grid_rates[np.isfinite(grid_rates[columns[0]])]
            if not eligible.empty:
                order = eligible.sort_values([*columns, "lr"], ascending=[*ascending, True])
                rows.append(selected(grid_rates, order.iloc[0], criterion))
                if criterion == "fastest" and len(order) > 1:
                    rows.append(selected(grid_rates, order.iloc[1], NEXT_FASTEST))
    return as_selection(rows, rates)


def settled(selection: pd.DataFrame, arrived: pd.DataFrame) -> pd.DataFrame:
    """The selection with the two fastest rates of each pack in the order of the fresh seeds, whose
    ``targets.arrivals`` are ``arrived``."""
    swapped = selection.copy()
    for pack, rows in swapped[swapped["criterion"].isin(TWO_FASTEST)].groupby(PACK):
        cells = rows_of(arrived, *pack)
        steps, missed = cells["steps"].to_numpy(float), cells["missed"].to_numpy(bool)
        of_rates = [cells["lr"].to_numpy() == lr for lr in rows["lr"]]
        expected = [running_time(steps[of_rate], missed[of_rate]) for of_rate in of_rates]
        if len(rows) == 2 and expected[1] < expected[0]:
            swapped.loc[rows.index, "criterion"] = list(reversed(TWO_FASTEST))
    return swapped


def running_time(steps: Floats, missed: Flags) -> float:
    """Expected steps to the target with restarts: all steps over the arrivals (Hansen et al. 2021,
    COCO, section 4); infinite where nothing arrived. Both (cells,)."""
    arrived = int((~missed).sum())
    return float(steps.sum() / arrived) if arrived else float("inf")


def selected(grid_rates: pd.DataFrame, winner: pd.Series, criterion: str) -> dict[str, object]:
    """The winner among a pack's rates, with what it won by and whether it is an end of them."""
    ends = (grid_rates["lr"].min(), grid_rates["lr"].max())
    at_edge = len(grid_rates) > 1 and winner["lr"] in ends
    return {**winner, "criterion": criterion, "at_edge": at_edge}


def as_selection(rows: list[dict[str, object]], rates: pd.DataFrame) -> pd.DataFrame:
    """Selected rows as a table, their columns in a fixed order."""
    columns = [*PACK, "criterion", "lr", "at_edge"]
    rest = [name for name in rates.columns if name not in columns]
    return pd.DataFrame(rows, columns=[*columns, *rest])


def main_rates(selection: pd.DataFrame) -> pd.DataFrame:
    """Each pack's fastest rate, or, where none reaches the target, its best-scoring one."""
    rows = selection[selection["criterion"].isin(CRITERIA)]
    order = rows.sort_values(
        "criterion", key=lambda names: names.map(CRITERIA.index), kind="stable"
    )
    return order.drop_duplicates(PACK)[RATE]


def rates_of(selection: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """The rate of each pack that won by a criterion: variant, batch_size, lr."""
    return selection.loc[selection["criterion"] == criterion, RATE]


def under_budgets(rates: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Rows like those of ``winners``: the best rate of every pack under equal epochs and equal
    steps, and, of the rates that all batch sizes of a variant trained, the smallest batch size's
    best under equal epochs at every batch size.

    history: of the same trainings. A pack all of whose rates lost a seed has no such row.
    """
    wanted = [
        (row.variant, row.batch_size, row.lr, BUDGET_CRITERIA[row.budget])
        for row in budgets.compare(history).itertuples()
        if row.budget in BUDGET_CRITERIA
    ]
    shared = budgets.compare(budgets.of_shared_rates(history))
    under_epochs = shared[shared["budget"] == EQUAL_EPOCHS].sort_values("batch_size")
    for best in under_epochs.drop_duplicates("variant").itertuples():
        sizes = rows_of(rates, best.variant)["batch_size"].unique()
        wanted += [(best.variant, size, best.lr, SAME_RATE) for size in sizes]
    rows = []
    for variant, size, lr, criterion in wanted:
        grid_rates = rows_of(rates, variant, size)
        of_rate = grid_rates[grid_rates["lr"] == lr]
        rows += [selected(grid_rates, row, criterion) for _, row in of_rate.iterrows()]
    return as_selection(rows, rates)
