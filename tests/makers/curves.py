"""Steps to the target that follow a known curve, and rates around a known best."""

import numpy as np
import pandas as pd

from pipeline.analysis import critical
from pipeline.analysis.critical import Runs

SIZES = 2.0 ** np.arange(2, 11)


SEEDS = 5


def runs(critical_size: float, spread: float = 0.1, seed: int = 0, sharpness: float = 1) -> Runs:
    """Five seeds at every size, scattered around S_min = 100."""
    sizes = np.repeat(SIZES, SEEDS)
    ratio = (critical_size / sizes) ** sharpness
    noise = np.random.default_rng(seed).standard_normal(len(sizes))
    steps = 100 * (1 + ratio) ** (1 / sharpness) * np.exp(spread * noise)
    missed = np.zeros(len(sizes), dtype=bool)
    return Runs(sizes, steps, missed, np.tile(np.arange(SEEDS), len(SIZES)))


def fitted(data: Runs) -> critical.Critical:
    """The fit, which must exist."""
    found = critical.fit(data, 0)
    assert found is not None
    return found


def window_table(exponent: float, edge: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates whose log steps are a parabola around 0.01 B^exponent."""
    grid = np.logspace(-4, 2, 25)
    rows = [
        {"variant": "baseline", "batch_size": int(size), "lr": lr,
         "median_steps": 100 * np.exp(0.3 * np.log(lr / (0.01 * size**exponent)) ** 2)}
        for size in SIZES
        for lr in grid
    ]  # fmt: skip
    table = pd.DataFrame(rows).assign(seeds=3, diverged=0)
    far = table["median_steps"] > 3000
    table["median_steps"] = table["median_steps"].where(~far, np.inf)
    best = table.loc[table.groupby("batch_size")["median_steps"].idxmin()]
    chosen = best.assign(criterion="fastest", at_edge=edge)
    return table, chosen
