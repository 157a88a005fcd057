"""Does noise help to leave a poor minimum? A tilted double well, descended with noisy gradients."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq

Floats = npt.NDArray[np.float64]
TILT = 0.1
RATE = 0.05
SPREAD = 3.0
"""Standard deviation of one example's gradient; a batch's is this over the root of its size."""
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
WALKERS = 1000
STEPS = 2000


def height(x: Floats) -> Floats:
    """(x^2 - 1)^2 / 4 + TILT x: a poor minimum near 1, a better one near -1."""
    return np.asarray((x**2 - 1) ** 2 / 4 + TILT * x)


def slope(x: Floats) -> Floats:
    """The derivative of ``height``."""
    return np.asarray(x**3 - x + TILT)


def stationary() -> tuple[float, float]:
    """The top of the barrier and the poor minimum."""
    turn = 1 / np.sqrt(3)
    return brentq(slope, -turn, turn), brentq(slope, turn, 2)


def barrier() -> float:
    """How high the barrier stands above the poor minimum."""
    top, bottom = stationary()
    return float(height(np.array(top)) - height(np.array(bottom)))


def escapes(seed: int) -> pd.DataFrame:
    """One row per batch size: of WALKERS that start in the poor minimum, the share that crossed
    the barrier within STEPS steps, and the rate of crossing per step.

    The rate is that of the exponential distribution with this share at the end.
    """
    top, bottom = stationary()
    rows = []
    for batch_size in BATCH_SIZES:
        generator = np.random.default_rng([seed, batch_size])
        x = np.full(WALKERS, bottom)
        inside = np.ones(WALKERS, dtype=bool)
        for _ in range(STEPS):
            noise = generator.standard_normal(WALKERS) * SPREAD / np.sqrt(batch_size)
            x -= RATE * (slope(x) + noise)
            inside &= x > top
        share = 1 - inside.mean()
        rate = -np.log1p(-share) / STEPS if share < 1 else np.inf
        rows.append({"batch_size": batch_size, "share": share, "escapes_per_step": rate})
    return pd.DataFrame(rows)
