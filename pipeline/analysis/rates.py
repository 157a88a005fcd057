"""How the best learning rate moves with the batch size, and how wide the good window is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.analysis import lines
from pipeline.selection import censored
from pipeline.selection.keys import rows_of
from pipeline.selection.response import NEAR
from pipeline.selection.statistics import UNKNOWN, Estimate

Floats = npt.NDArray[np.float64]
FEWEST = 3
"""Rates of a batch size, and batch sizes, that a curve through them needs."""


COLUMNS = [
    "variant", "batch_size", "lr", "at_edge", "lowest", "highest", "decades", "too_small",
    "too_large",
]  # fmt: skip


def windows(rates: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size): the fastest rate, and the window of rates that reach the
    target with most seeds.

    decades: its width in powers of ten; too_small, too_large: rates below and above that fail.
    """
    fastest = selection[selection["criterion"] == "fastest"]
    rows = []
    for winner in fastest.itertuples():
        grid_rates = rows_of(rates, winner.variant, winner.batch_size)
        good = grid_rates.loc[np.isfinite(grid_rates["median_steps"]), "lr"]
        rows.append(
            {
                "variant": winner.variant,
                "batch_size": winner.batch_size,
                "lr": winner.lr,
                "at_edge": bool(winner.at_edge),
                "lowest": good.min(),
                "highest": good.max(),
                "decades": float(np.log10(good.max() / good.min())),
                "too_small": int((grid_rates["lr"] < good.min()).sum()),
                "too_large": int((grid_rates["lr"] > good.max()).sum()),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Surface:
    """How the best rate moves with the batch size: as B^below up to the critical batch size and as
    B^above beyond it, or as B^whole over all; UNKNOWN where too few batch sizes lie there.

    level: the logarithm of the best rate at the bend, or of the whole line's at the batch size 1.
    """

    below: Estimate
    above: Estimate
    whole: Estimate
    critical: float | None
    level: float

    def best_rate(self, batch_size: Floats) -> Floats:
        """The best rate at each batch size; NaN where there is no line."""
        logs = np.log(batch_size)
        if self.critical is None:
            return np.asarray(np.exp(self.level + self.whole.value * logs))
        away = logs - np.log(self.critical)
        slopes = np.where(away < 0, self.below.value, self.above.value)
        return np.asarray(np.exp(self.level + slopes * away))


def surface(arrived: pd.DataFrame, critical: float | None) -> Surface:
    """The exponents of one surface through all screened trainings of a variant near each batch
    size's best rate.

    log steps = a_B + c (log rate - m - k log B)^2, which is linear in a_B, c and the products: a
    parabola of one width whose vertex moves with the batch size, misses as censored. critical:
    where two exponents meet, if FEWEST batch sizes lie on either side; None for one alone. arrived:
    ``targets.arrivals`` of the screened trainings.
    """
    parts = [near_best(cells) for _, cells in arrived.groupby("batch_size")]
    near = pd.concat([arrived[:0], *parts])
    sizes = near["batch_size"].unique()
    if len(sizes) < FEWEST:
        return Surface(UNKNOWN, UNKNOWN, UNKNOWN, None, np.nan)
    level, whole = vertex(near, None)
    if critical is None or min((sizes < critical).sum(), (sizes >= critical).sum()) < FEWEST:
        return Surface(UNKNOWN, UNKNOWN, whole, None, level.value)
    level, below, above = vertex(near, critical)
    return Surface(below, above, whole, critical, level.value)


def near_best(cells: pd.DataFrame) -> pd.DataFrame:
    """One pack's trainings at the rates within a factor NEAR of the one with the fewest steps, of
    those at which most seeds arrive; none where these are too few for a parabola."""
    by_rate = cells["lr"]
    arriving = cells["missed"].groupby(by_rate).mean() < 0.5
    logs = np.log(cells["steps"]).groupby(by_rate).mean()[arriving]
    if logs.empty:
        return cells[:0]
    near = logs.index[np.abs(np.log(logs.index / logs.idxmin())) <= np.log(NEAR)]
    return cells[by_rate.isin(near)] if len(near) >= FEWEST else cells[:0]


def vertex(near: pd.DataFrame, critical: float | None) -> list[Estimate]:
    """The log of the best rate at the bend (at batch size 1 without one) and its exponents, with
    ``lines.jackknife`` intervals."""
    free = 2 if critical is None else 3
    return lines.jackknife(near, lambda part: vertex_fit(part, critical), free)


def vertex_fit(near: pd.DataFrame, critical: float | None) -> Floats:
    """The level and the exponents of one fit; NaN where the steps do not rise to both sides of a
    best rate."""
    sizes, place = np.unique(near["batch_size"], return_inverse=True)
    x, reach = np.log(near["lr"].to_numpy(float)), [np.log(near["batch_size"].to_numpy(float))]
    if critical is not None:
        away = reach[0] - np.log(critical)
        reach = [np.minimum(away, 0), np.maximum(away, 0)]
    design = np.column_stack([np.eye(len(sizes))[place], x**2, x, *(x * r for r in reach)])
    logs, missed = np.log(near["steps"].to_numpy(float)), near["missed"].to_numpy(bool)
    curvature, *tilts = censored.fit(design, logs, missed).coefficients[len(sizes) :]
    if curvature <= 0:
        return np.full(len(tilts), np.nan)
    return -np.array(tilts) / (2 * curvature)
