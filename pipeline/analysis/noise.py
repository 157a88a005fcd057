"""What a few examples' gradients say about that of all, and how training's noise shows."""

import numpy as np
import pandas as pd

from pipeline.analysis import lines
from pipeline.selection import censored
from pipeline.selection.keys import CELL, rows_of
from pipeline.selection.statistics import Estimate

FEW = 1000
SAME_DIRECTION = 0.9
"""A cosine above this is nearly the same direction."""
CLOSE = 1.12
"""Evaluations closer than this factor in steps show how the loss scatters."""
TRIPLES = 5


def without_population(noise: pd.DataFrame) -> pd.Series:
    """The relative error as if drawn with replacement: over sqrt((N - m) / (N - 1))."""
    population, examples = noise["population"], noise["examples"]
    return noise["relative_error"] / np.sqrt((population - examples) / (population - 1))


def error_exponent(noise: pd.DataFrame, variant: str) -> Estimate:
    """k of relative error = c m^k: each moment's log-log slope, averaged over all of them."""
    rows = rows_of(noise, variant)
    rows = rows.assign(error=without_population(rows))
    return lines.mean_slope(rows, ["batch_size", "moment"], "examples", "error")


def examples_needed(scales: pd.DataFrame, variant: str) -> dict[str, Estimate]:
    """By moment, the examples whose gradient has a cosine of SAME_DIRECTION with the expected one:
    the geometric mean over the batch sizes watched, with its interval.

    cos^2 of a gradient of m examples is 1 / (1 + noise scale / m) where there are many parameters
    (McCandlish et al. 2018, equation 2.9). Where the noise of all examples hides the gradient, more
    than all of them would be needed: such a training counts as censored. A moment at which that is
    so everywhere has none. scales: ``scales``.
    """
    share = SAME_DIRECTION**2 / (1 - SAME_DIRECTION**2)
    needed = {}
    for moment, rows in rows_of(scales, variant).groupby("moment", sort=False):
        hidden = rows["noise_scale"].isna().to_numpy()
        if hidden.all():
            continue
        logs = np.log((share * rows["noise_scale"]).fillna(rows["population"]).to_numpy(float))
        fit = censored.fit(np.ones((len(rows), 1)), logs, hidden)
        mean = censored.mean(logs, hidden, fit.spread, fit.freedom)
        low, value, high = (float(np.exp(x)) for x in (mean.low, mean.value, mean.high))
        needed[str(moment)] = Estimate(value, low, high, len(rows))
    return needed


def scales(noise: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size, moment): the noise scale with its interval."""
    names = ["variant", "batch_size", "moment", "population", "gradient_norm"]
    scale = ["noise_scale", "noise_scale_low", "noise_scale_high"]
    return noise[[*names, *scale]].drop_duplicates(names[:3], ignore_index=True)


def oscillation(history: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: how the loss scatters where evaluations lie close together, near the
    target.

    validation: the root mean square distance of the logarithm of the validation loss from the
    straight line between its two neighbours, as if all had the same independent error: a drift adds
    nothing to it. minibatch: spread of the minibatch losses over their mean, in the last interval
    that counts. Cells with fewer than TRIPLES such evaluations are left out. history: of fresh
    trainings.
    """
    rows = []
    for cell, table in history.sort_values("step").groupby(CELL, sort=True):
        steps, loss = table["step"].to_numpy(float), table["val_loss"].clip(lower=1e-12)
        dense = (steps[2:] <= CLOSE * steps[1:-1]) & (steps[1:-1] <= CLOSE * steps[:-2])
        if dense.sum() < TRIPLES:
            continue
        later = (steps[1:-1] - steps[:-2]) / (steps[2:] - steps[:-2])
        logs = np.log(loss.to_numpy(float))
        off = logs[1:-1] - (1 - later) * logs[:-2] - later * logs[2:]
        squares = off**2 / (1 + (1 - later) ** 2 + later**2)
        last = table.iloc[1:-1][dense].iloc[-1]
        spread = last["train_loss_sd"] / last["train_loss"] if last["train_loss"] > 0 else np.nan
        rows.append(
            dict(zip(CELL, cell, strict=True))
            | {"validation": float(np.sqrt(squares[dense].mean())), "minibatch": float(spread)}
        )
    return pd.DataFrame(rows, columns=[*CELL, "validation", "minibatch"])


def oscillation_exponents(table: pd.DataFrame, variant: str) -> dict[str, Estimate]:
    """k of scatter = c B^k rate^j for ``validation`` and ``minibatch``: ``lines.partial_slope``."""
    rows = rows_of(table, variant)
    return {
        name: lines.partial_slope(rows[rows[name] > 0], name, "lr")
        for name in ("validation", "minibatch")
    }
