"""Timings of machines whose step times are known."""

import numpy as np
import pandas as pd

from pipeline.speed import ladder

SIZES = np.array(ladder.dense(1, 4096), dtype=float)


def timings_of(seconds: np.ndarray, sizes: np.ndarray = SIZES) -> pd.DataFrame:
    """Timings of a machine whose step times are known; its memory is 1 MB + 1 kB an example."""
    power = np.log2(sizes) % 1 == 0
    return pd.DataFrame(
        {
            "variant": "baseline",
            "batch_size": sizes.astype(int),
            "micro_batches": 1,
            "in_grid": power,
            "later_over_earlier": 1.0,
            "seconds_per_step": seconds,
            "seconds_per_step_q25": seconds,
            "seconds_per_step_q75": seconds,
            "blocks": 15,
            "examples_per_second": sizes / seconds,
            "peak_bytes": np.where(power, 1e5 + 1e3 * sizes, np.nan),
            "update_difference": np.nan,
            "weight_bytes": 1e6,
        }
    )


def kinked(sizes: np.ndarray, at: float) -> np.ndarray:
    return 1e-4 * np.maximum(1, sizes / at)
