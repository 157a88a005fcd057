"""What a few examples' gradients say about that of all, and how training's noise shows."""

import numpy as np
import pandas as pd

from pipeline.analysis import lines
from pipeline.selection.keys import CELL, rows_of
from pipeline.selection.statistics import Estimate

FEW = 1000
LATE = 0.5
"""Oscillation is looked for in this last share of the budget."""


def without_population(noise: pd.DataFrame) -> pd.Series:
    """The relative error as if drawn with replacement: over sqrt((N - m) / (N - 1))."""
    population, examples = noise["population"], noise["examples"]
    return noise["relative_error"] / np.sqrt((population - examples) / (population - 1))


def error_exponent(noise: pd.DataFrame, variant: str) -> Estimate:
    """k of relative error = c m^k: each moment's log-log slope, averaged over all of them."""
    rows = rows_of(noise, variant)
    rows = rows.assign(error=without_population(rows))
    return lines.mean_slope(rows, ["batch_size", "moment"], "examples", "error")


def few(noise: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Per moment, the agreement of the largest batch of at most FEW examples, and at most half of
    them all, with the gradient of all: mean over the batch sizes watched."""
    rows = rows_of(noise[noise["examples"] <= noise["population"] / 2], variant)
    rows = rows[rows["examples"] <= FEW]
    rows = rows[rows["examples"] == rows["examples"].max()]
    means = rows.groupby("moment", sort=False)[["examples", "population", "cosine"]].mean()
    return means.reset_index()


def scales(noise: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size, moment): the noise scale with its interval."""
    names = ["variant", "batch_size", "moment", "population", "gradient_norm"]
    scale = ["noise_scale", "noise_scale_low", "noise_scale_high"]
    return noise[[*names, *scale]].drop_duplicates(names[:3], ignore_index=True)


def oscillation(history: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: how the loss moves from evaluation to evaluation late in training.

    validation: mean absolute change of the logarithm of the validation loss between evaluations;
    minibatch: spread of the minibatch losses over their mean, in the last interval. Cells with
    fewer than three late evaluations are left out.
    """
    rows = []
    for cell, table in history.sort_values("step").groupby(CELL, sort=True):
        late = table[table["step"] >= (1 - LATE) * table["step"].max()]
        if len(late) >= 3:
            moves = np.abs(np.diff(np.log(late["val_loss"].clip(lower=1e-12))))
            loss, spread = late.iloc[-1][["train_loss", "train_loss_sd"]]
            rows.append(
                dict(zip(CELL, cell, strict=True))
                | {"validation": float(moves.mean())}
                | {"minibatch": float(spread / loss) if loss > 0 else np.nan}
            )
    return pd.DataFrame(rows, columns=[*CELL, "validation", "minibatch"])


def oscillation_exponents(table: pd.DataFrame, variant: str) -> dict[str, Estimate]:
    """k of oscillation = c B^k for ``validation`` and ``minibatch``: ``lines.slope_by_seed``."""
    return {
        name: lines.slope_by_seed(rows_of(table[table[name] > 0], variant), "batch_size", name)
        for name in ("validation", "minibatch")
    }
