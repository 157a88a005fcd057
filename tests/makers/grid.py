"""Screened cells and their curves, by hand."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

STEPS = np.array([1, 10, 100, 1000])


def lanes(*rows: tuple[int, float, int, float]) -> pd.DataFrame:
    """(batch size, rate, seed, best score); a NaN score is a diverged cell."""
    table = pd.DataFrame(rows, columns=["batch_size", "lr", "seed", "best_val_score"])
    table.insert(0, "variant", "baseline")
    table["status"] = np.where(table["best_val_score"].isna(), "diverged", "finished")
    table["best_val_loss"] = 1 - table["best_val_score"]
    table["steps"] = STEPS[-1]
    return table


def history(curves: dict[tuple[int, float, int], Sequence[float]]) -> pd.DataFrame:
    """Scores at STEPS by (batch size, rate, seed)."""
    rows = [
        ("baseline", *key, step, step * key[0], score)
        for key, scores in curves.items()
        for step, score in zip(STEPS, scores, strict=False)
    ]
    columns = ["variant", "batch_size", "lr", "seed", "step", "examples", "val_score"]
    return pd.DataFrame(rows, columns=columns)
