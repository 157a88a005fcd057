"""How large the batch may be at moments of a training: the local critical batch size.

From the branches of larger batches that leave a training (Merrill et al. 2025, section 3).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.analysis import lines
from pipeline.analysis.critical import OVERHEAD
from pipeline.selection.statistics import UNKNOWN, Estimate

Floats = npt.NDArray[np.float64]
FEWEST_MOMENTS = 3
COLUMNS = (
    "step", "examples", "train_loss", "critical", "critical_low", "critical_high", "is_largest",
    "seeds",
)  # fmt: skip


def whole(branches: pd.DataFrame) -> pd.DataFrame:
    """The branches of seeds whose training reached every moment: others had diverged before."""
    if branches.empty:
        return branches
    moments = branches.groupby("seed")["step"].nunique()
    return branches[branches["seed"].isin(moments.index[moments == branches["step"].nunique()])]


def progress(branches: pd.DataFrame) -> pd.DataFrame:
    """How far the mean loss over seeds falls, at each batch size's best rate, over how far it falls
    at the best batch size: a row for each moment (step), a column for each batch size.

    A loss that is not finite falls by nothing.
    """
    fall = (branches["loss_before"] - branches["loss_after"]).where(
        np.isfinite(branches["loss_after"]), 0.0
    )
    keys = [branches["step"], branches["batch_size"]]
    power = branches.groupby(["step", "batch_size", "seed"]).cumcount().rename("power")
    by_rate = fall.groupby([*keys, power]).mean()
    best = by_rate.groupby(["step", "batch_size"]).max().unstack()
    most = best.max(axis=1)
    return best.div(most.where(most > 0), axis=0)


def critical_sizes(branches: pd.DataFrame) -> Floats:
    """The local critical batch size of every moment: the largest whose loss falls by 1 / OVERHEAD
    of the most, between batch sizes by a line against the logarithm; the largest tried where all
    beyond the best do. NaN where no loss falls."""
    table = progress(branches)
    return np.array(
        [crossing(row.index.to_numpy(float), row.to_numpy()) for _, row in table.iterrows()]
    )


def crossing(sizes: Floats, shares: Floats) -> float:
    """The first place beyond the best share at which shares fall below 1 / OVERHEAD."""
    if not (np.isfinite(shares).all() and shares.max() == 1):
        return np.nan
    limit, logs = 1 / OVERHEAD, np.log(sizes)
    for place in range(int(shares.argmax()), len(sizes) - 1):
        left, right = shares[place], shares[place + 1]
        if right < limit:
            part = (left - limit) / (left - right)
            return float(np.exp(logs[place] + part * (logs[place + 1] - logs[place])))
    return float(sizes[-1])


def local_critical(branches: pd.DataFrame) -> pd.DataFrame:
    """One row per moment: step, examples, the mean loss, the local critical batch size with its
    jackknife interval over seeds, and whether it is the largest tried."""
    branches = whole(branches)
    if branches.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    steps = np.sort(branches["step"].unique())
    sizes = over_seeds(branches, lambda part: np.log(critical_sizes(part)))
    largest = branches["batch_size"].max()
    rows = []
    for step, size in zip(steps, sizes, strict=True):
        here = branches[branches["step"] == step]
        estimate = Estimate(np.exp(size.value), np.exp(size.low), np.exp(size.high), size.n)
        rows.append(
            {"step": int(step), "examples": int(here["examples"].iloc[0])}
            | {"train_loss": here["loss_before"].mean()}
            | estimate.columns("critical")
            | {"is_largest": bool(estimate.value >= largest * (1 - 1e-9)), "seeds": size.n}
        )
    return pd.DataFrame(rows)


def growth(branches: pd.DataFrame) -> Estimate:
    """The exponent k of local critical batch size = c step^k, with its jackknife interval over
    seeds; UNKNOWN for fewer than FEWEST_MOMENTS."""
    branches = whole(branches)
    if branches.empty or branches["step"].nunique() < FEWEST_MOMENTS:
        return UNKNOWN
    logs = np.log(np.sort(branches["step"].unique()))

    def slope(part: pd.DataFrame) -> Floats:
        sizes = critical_sizes(part)
        if not np.isfinite(sizes).all():
            return np.array([np.nan])
        return np.polyfit(logs, np.log(sizes), 1)[:1]

    return over_seeds(branches, slope)[0]


def over_seeds(branches: pd.DataFrame, fit: Callable[[pd.DataFrame], Floats]) -> list[Estimate]:
    """``lines.jackknife`` over seeds; unknown bounds for fewer than three."""
    seeds = branches["seed"].nunique()
    return lines.jackknife(branches, fit, free=1 if seeds > 2 else seeds, by="seed")
