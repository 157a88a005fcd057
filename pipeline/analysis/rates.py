"""How the best learning rate moves with the batch size, and how wide the good window is."""

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.analysis import lines
from pipeline.analysis.lines import Bend
from pipeline.selection import edges
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import LEVEL, Estimate


def refined(table: pd.DataFrame, lr: float) -> float:
    """The vertex of a parabola in log rate through log steps at ``lr`` and its two neighbours.

    ``lr`` itself where it has no two neighbours that reach the target, or where they are not
    slower. table: one batch size's rates with median_steps.
    """
    ascending = table.sort_values("lr")
    place = int(np.flatnonzero(ascending["lr"].to_numpy() == lr)[0])
    three = ascending.iloc[max(0, place - 1) : place + 2]
    steps = three["median_steps"].to_numpy(float)
    if len(three) < 3 or place == 0 or not np.isfinite(steps).all() or steps[1] > steps.min():
        return lr
    curvature, slope, _ = np.polyfit(np.log(three["lr"] / lr), np.log(steps), 2)
    return float(lr * np.exp(-slope / (2 * curvature))) if curvature > 0 else lr


def resolution(table: pd.DataFrame, lr: float) -> float:
    """The mean distance, in natural logarithms, of ``lr`` to the rates beside it; 0 if alone."""
    logs = np.log(np.sort(table["lr"].to_numpy(float)))
    place = int(np.flatnonzero(np.isclose(logs, np.log(lr)))[0])
    beside = logs[max(0, place - 1) : place + 2]
    return float(np.diff(beside).mean()) if len(beside) > 1 else 0.0


COLUMNS = [
    "variant", "batch_size", "lr", "refined_lr", "log_resolution", "at_edge", "settled", "lowest",
    "highest", "decades", "too_small", "too_large",
]  # fmt: skip


def windows(rates: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size): the fastest rate, refined too, and the window of rates
    that reach the target with most seeds.

    decades: its width in powers of ten; too_small, too_large: rates below and above that fail.
    log_resolution: how far apart its neighbours in the grid lie, where it could not be refined.
    settled: the fastest is no end of the grid, and no rate that diverges lies so far above it that
    a better one may lie between.
    """
    fastest = selection[selection["criterion"] == "fastest"]
    rows = []
    for winner in fastest.itertuples():
        grid_rates = rows_of(rates, winner.variant, winner.batch_size)
        good = grid_rates.loc[np.isfinite(grid_rates["median_steps"]), "lr"]
        refined_lr = refined(grid_rates, winner.lr)
        is_refined = refined_lr != winner.lr
        rows.append(
            {
                "variant": winner.variant,
                "batch_size": winner.batch_size,
                "lr": winner.lr,
                "refined_lr": refined_lr,
                "log_resolution": 0.0 if is_refined else resolution(grid_rates, winner.lr),
                "at_edge": bool(winner.at_edge),
                "settled": not winner.at_edge and not beside_divergence(grid_rates, winner.lr),
                "lowest": good.min(),
                "highest": good.max(),
                "decades": float(np.log10(good.max() / good.min())),
                "too_small": int((grid_rates["lr"] < good.min()).sum()),
                "too_large": int((grid_rates["lr"] > good.max()).sum()),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def beside_divergence(table: pd.DataFrame, lr: float) -> bool:
    """Whether the next larger rate diverges at most seeds, and is far enough for more between."""
    above = table[table["lr"] > lr].sort_values("lr")
    if above.empty:
        return False
    following = above.iloc[0]
    lost = following["diverged"] > following["seeds"] / 2
    return bool(lost and following["lr"] > edges.FINE * lr)


def exponent(windows: pd.DataFrame, variant: str) -> tuple[Estimate, Bend | None]:
    """k of best rate = c B^k over the batch sizes whose winner is settled, and its bend.

    The interval is no narrower than the grid of rates allows: a rate that could not be refined is
    known to within half a step of it, an error with the variance step^2 / 12.
    """
    settled = rows_of(windows[windows["settled"].astype(bool)], variant)
    sizes, best = settled["batch_size"], settled["refined_lr"]
    slope = lines.log_log_slope(sizes, best)
    if slope.n < 3:
        return slope, None
    weights = np.log(sizes) - np.log(sizes).mean()
    error = np.sqrt(((weights * settled["log_resolution"]) ** 2).sum() / 12) / (weights**2).sum()
    half = max(slope.high - slope.value, float(stats.t.ppf((1 + LEVEL) / 2, slope.n - 2)) * error)
    wide = Estimate(slope.value, slope.value - half, slope.value + half, slope.n)
    return wide, lines.bend(sizes, best)
