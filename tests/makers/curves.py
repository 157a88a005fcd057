"""Steps to the target that follow a known curve, and rates around a known best."""

import numpy as np
import pandas as pd

from pipeline.analysis import critical
from pipeline.analysis.critical import Floats, Runs

SIZES = 2.0 ** np.arange(2, 11)


SEEDS = 5


def runs(
    critical_size: float,
    spread: float = 0.1,
    seed: int = 0,
    sharpness: float = 1,
    misfit: float = 0,
    grid: Floats = SIZES,
    seeds: int = SEEDS,
) -> Runs:
    """Seeds at every size, scattered around S_min = 100, and sizes around the curve."""
    rng = np.random.default_rng(seed)
    ratio = (critical_size / grid) ** sharpness
    means = np.log(100) + np.log(1 + ratio) / sharpness + misfit * rng.standard_normal(len(grid))
    steps = np.exp(np.repeat(means, seeds) + spread * rng.standard_normal(len(grid) * seeds))
    missed = np.zeros(len(steps), dtype=bool)
    return Runs(np.repeat(grid, seeds), steps, missed, np.tile(np.arange(seeds), len(grid)))


def fitted(data: Runs) -> critical.Critical:
    """The fit, which must exist."""
    found = critical.fit(data)
    assert found is not None
    return found


def window_table(exponent: float) -> tuple[pd.DataFrame, pd.DataFrame]:
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
    chosen = best.assign(criterion="fastest", at_edge=False)
    return table, chosen
