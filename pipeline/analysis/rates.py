"""How the best learning rate moves with the batch size, and how wide the good window is."""

import numpy as np
import pandas as pd

from pipeline.analysis import edges, lines
from pipeline.analysis.lines import Bend
from pipeline.analysis.statistics import Estimate


def refined(table: pd.DataFrame, lr: float) -> float:
    """The vertex of a parabola in log rate through log steps at ``lr`` and its two neighbours.

    ``lr`` itself where it has no two neighbours that reach the target, or where they are not
    slower. table: one batch size's rates with median_steps.
    """
    own = table.sort_values("lr")
    place = int(np.flatnonzero(own["lr"].to_numpy() == lr)[0])
    three = own.iloc[max(0, place - 1) : place + 2]
    steps = three["median_steps"].to_numpy(float)
    if len(three) < 3 or place == 0 or not np.isfinite(steps).all() or steps[1] > steps.min():
        return lr
    curvature, slope, _ = np.polyfit(np.log(three["lr"] / lr), np.log(steps), 2)
    return float(lr * np.exp(-slope / (2 * curvature))) if curvature > 0 else lr


def windows(rates: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size): the fastest rate, refined too, and the window of rates
    that reach the target with most seeds.

    decades: its width in powers of ten; too_small, too_large: rates below and above that fail.
    settled: the fastest is no end of the grid, and no rate that diverges lies so far above it that
    a better one may lie between.
    """
    fastest = selection[selection["criterion"] == "fastest"]
    rows = []
    for winner in fastest.itertuples():
        pack = (rates["variant"] == winner.variant) & (rates["batch_size"] == winner.batch_size)
        own = rates[pack]
        good = own.loc[np.isfinite(own["median_steps"]), "lr"]
        rows.append(
            {
                "variant": winner.variant,
                "batch_size": winner.batch_size,
                "lr": winner.lr,
                "refined_lr": refined(own, winner.lr),
                "at_edge": bool(winner.at_edge),
                "settled": not winner.at_edge and not beside_divergence(own, winner.lr),
                "lowest": good.min(),
                "highest": good.max(),
                "decades": float(np.log10(good.max() / good.min())),
                "too_small": int((own["lr"] < good.min()).sum()),
                "too_large": int((own["lr"] > good.max()).sum()),
            }
        )
    columns = ["variant", "batch_size", "lr", "refined_lr", "at_edge", "settled", "lowest"]
    return pd.DataFrame(rows, columns=[*columns, "highest", "decades", "too_small", "too_large"])


def beside_divergence(table: pd.DataFrame, lr: float) -> bool:
    """Whether the next larger rate diverges at most seeds, and is far enough for more between."""
    above = table[table["lr"] > lr].sort_values("lr")
    if above.empty:
        return False
    following = above.iloc[0]
    lost = following["diverged"] > following["seeds"] / 2
    return bool(lost and following["lr"] > edges.FINE * lr)


def exponent(window: pd.DataFrame, variant: str) -> tuple[Estimate, Bend | None]:
    """k of best rate = c B^k over the batch sizes whose winner is settled, and its bend."""
    own = window[(window["variant"] == variant) & window["settled"].astype(bool)]
    sizes, best = own["batch_size"], own["refined_lr"]
    return lines.log_log_slope(sizes, best), lines.bend(sizes, best)
