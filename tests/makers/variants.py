"""Two variants of which one takes a known multiple of the other's steps."""

import numpy as np
import pandas as pd

from pipeline.params.network import Model
from pipeline.params.settings import Settings

SIZES, SEEDS = [4, 16, 64], range(1000, 1005)


PLAIN = Settings(scaling="none", model=Model("mlp", [4]))


def tables(
    factor: float, diverged: tuple[int, int] = (1, 1), largest: tuple[float, float] = (1.0, 1.0)
) -> tuple[pd.DataFrame, ...]:
    """Two variants, of which the second takes ``factor`` times the steps."""
    names = {"first": 1.0, "second": factor}
    rates = pd.DataFrame(
        [{"variant": name, "batch_size": size, "lr": lr, "seeds": 3,
          "diverged": lost if lr > top else 0, "median_steps": 10.0 if lr > 0.01 else np.inf}
         for name, lost, top in zip(names, diverged, largest, strict=True)
         for size in SIZES for lr in (0.01, 0.1, 1.0, 10.0)]
    )  # fmt: skip
    selection = pd.DataFrame(
        [(name, size, criterion, 0.1) for name in names for size in SIZES
         for criterion in ("fastest", "best_score")],
        columns=["variant", "batch_size", "criterion", "lr"],
    )  # fmt: skip
    cells = pd.DataFrame(
        [{"variant": name, "batch_size": size, "lr": 0.1, "seed": seed,
          "steps": slower * 1000 / size * (1 + seed % 5 / 10), "missed": False,
          "test_score": 0.9 + seed % 5 / 100 - 0.02 * (name == "second")}
         for name, slower in names.items() for size in SIZES for seed in SEEDS]
    )  # fmt: skip
    return rates, selection, cells, cells
