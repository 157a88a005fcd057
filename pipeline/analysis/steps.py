"""Steps to the target of every batch size over its fresh seeds, those that missed it included.

Log steps are normal around each batch size's mean with one spread for all batch sizes of a
variant, for few seeds tell little of their own spread; a seed that missed the target says that it
needs more than its budget.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.selection import censored, winners
from pipeline.selection.keys import PACK, TWO_FASTEST, rows_of
from pipeline.selection.statistics import Estimate

GROWN = 1.001
"""The mean batch size over the first one, from which a batch grows."""
TABLE = (
    *PACK, "lr", "at_edge", "seeds", "reached", "steps_to_target", "steps_to_target_low",
    "steps_to_target_high", "examples_to_target",
)  # fmt: skip


def counted(arrived: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """The fresh trainings that count: one for each pack and seed.

    Each seed counts at the one of its pack's two fastest rates that the other seeds found faster,
    by ``winners.running_time``: a seed that chose its own rate would flatter it. arrived:
    ``targets.arrivals`` of the fresh trainings.
    """
    chosen = selection[selection["criterion"].isin(TWO_FASTEST)]
    kept = []
    for pack, rates in chosen.groupby(PACK, sort=True):
        by_criterion = rates.set_index("criterion")["lr"]
        order = [by_criterion[name] for name in TWO_FASTEST if name in by_criterion]
        cells = rows_of(arrived, *pack)
        seeds, rate = cells["seed"].to_numpy(), cells["lr"].to_numpy()
        steps, missed = cells["steps"].to_numpy(float), cells["missed"].to_numpy(bool)
        for seed in np.unique(seeds[np.isin(rate, order)]):
            others = [(seeds != seed) & (rate == lr) for lr in order]
            times = [winners.running_time(steps[other], missed[other]) for other in others]
            own = (seeds == seed) & (rate == order[int(np.argmin(times))])
            kept.append(cells.index[own])
    places = np.concatenate(kept) if kept else arrived.index[:0]
    return arrived.loc[places].reset_index(drop=True)


@dataclass(frozen=True)
class Steps:
    """Geometric means of a variant's batch sizes with their intervals, and what they rest on.

    spread: the standard deviation of log steps over seeds, with ``freedom`` degrees of freedom.
    """

    by_batch_size: dict[int, Estimate]
    spread: float
    freedom: int


def estimate(counted_cells: pd.DataFrame) -> Steps:
    """The estimates of one variant's ``counted`` cells.

    A batch size that no seed reached the target with has NaN; bounds are NaN where no degree of
    freedom is left.
    """
    arrived = counted_cells.groupby("batch_size")["missed"].transform(lambda missed: ~missed.all())
    known = counted_cells[arrived.astype(bool)]
    nothing = Estimate(np.nan, np.nan, np.nan, 0)
    estimates = dict.fromkeys(counted_cells["batch_size"], nothing)
    if known.empty:
        return Steps(estimates, np.nan, 0)
    sizes = sorted(set(known["batch_size"]))
    logs, missed = np.log(known["steps"].to_numpy(float)), known["missed"].to_numpy(bool)
    place = np.searchsorted(sizes, known["batch_size"])
    fit = censored.fit(np.eye(len(sizes))[place], logs, missed)
    for number, size in enumerate(sizes):
        of_size = place == number
        mean = censored.mean(logs[of_size], missed[of_size], fit.spread, fit.freedom)
        value, low, high = (float(np.exp(x)) for x in (mean.value, mean.low, mean.high))
        estimates[size] = Estimate(value, low, high, mean.n)
    return Steps(estimates, fit.spread, fit.freedom)


def table(
    cells: pd.DataFrame, selection: pd.DataFrame, by_variant: dict[str, Steps]
) -> pd.DataFrame:
    """One row per pack with a fastest rate: that rate, and the steps and examples to the target of
    its ``counted`` cells; by_variant: their estimates."""
    rows = []
    for winner in selection[selection["criterion"] == "fastest"].itertuples():
        of_pack = rows_of(cells, winner.variant, winner.batch_size)
        hits = of_pack[~of_pack["missed"]]
        mean = by_variant[winner.variant].by_batch_size[winner.batch_size]
        growth = np.exp(np.log(hits["examples_to_target"] / hits["steps"]).mean())
        rows.append(
            {"variant": winner.variant, "batch_size": winner.batch_size, "lr": winner.lr}
            | {"at_edge": winner.at_edge, "seeds": len(of_pack), "reached": len(hits)}
            | mean.columns("steps_to_target")
            | {"examples_to_target": mean.value * growth}
        )
    return pd.DataFrame(rows, columns=TABLE)
