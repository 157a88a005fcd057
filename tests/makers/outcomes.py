"""What the measures of solutions would be, if they followed known laws."""

import numpy as np
import pandas as pd

from pipeline.analysis import generalisation
from pipeline.analysis.generalisation import COMPARISONS

SIZES = [4, 16, 64, 256]


SEEDS = range(1000, 1005)


JITTER = dict(zip(SEEDS, [-0.001, 0.0005, 0.0, 0.001, -0.0005], strict=True))


def scores(loss_by_budget: dict[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluations and selection; each fourfold larger batch loses this much in test score."""
    rates = {budget: 0.1 * place for place, budget in enumerate(COMPARISONS, 1)}
    selection = pd.DataFrame(
        [("v", size, criterion, rates[name])
         for name, (_, criterion) in COMPARISONS.items() for size in SIZES],
        columns=["variant", "batch_size", "criterion", "lr"],
    )  # fmt: skip
    rows = [
        {"variant": "v", "batch_size": size, "lr": rates[name], "seed": seed, "budget": budget,
         "test_score": 0.9 + 10 * JITTER[seed] - loss_by_budget[name] * place
         + JITTER[1000 + (seed + place) % 5], "generalisation_gap": 0.05}
        for name, (budget, _) in COMPARISONS.items()
        for place, size in enumerate(SIZES) for seed in SEEDS
    ]  # fmt: skip
    return pd.DataFrame(rows), selection


def compared(loss: float | dict[str, float], **keys: float) -> pd.DataFrame:
    losses = loss if isinstance(loss, dict) else dict.fromkeys(COMPARISONS, loss)
    return generalisation.compare(*scores(losses), **({"margin": 0.01} | keys))


def sharpness(exponent: float, factor: float = 4.0) -> pd.DataFrame:
    rows = [
        {"variant": "v", "batch_size": size, "lr": 0.1, "seed": seed, "point": point,
         "eigenvalue_1": base * (factor if point == "rescaled" else 1),
         "keskar_full_0.001": base * (factor if point == "rescaled" else 1), "adaptive": base}
        for size in SIZES for seed in SEEDS for point in ("solution", "rescaled", "early")
        for base in [0.5 * size**exponent * (1 + 10 * JITTER[seed])]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def gradients(exponent: float = -0.5, cosine: float = 0.95) -> pd.DataFrame:
    rows = [
        {"variant": "v", "batch_size": size, "moment": moment, "examples": m, "population": 2048,
         "relative_error": 5 * m**exponent * np.sqrt((2048 - m) / 2047),
         "cosine": cosine - (0.3 if moment == "end" and cosine < 0.9 else 0),
         "gradient_norm": 1.0, "noise_scale": 25.0, "noise_scale_low": 20, "noise_scale_high": 30}
        for size in SIZES for moment in ("early", "end") for m in 2 ** np.arange(11)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def wandering(exponent: float) -> pd.DataFrame:
    steps = np.array([1, 10, 50, 60, 70, 80, 90, 100])
    rows = [
        {"variant": "v", "batch_size": size, "lr": 0.1, "seed": seed, "step": step,
         "val_loss": np.exp(0.1 * size**exponent * (-1) ** place * (1 + 10 * JITTER[seed])),
         "train_loss": 1.0, "train_loss_sd": size**-0.5}
        for size in SIZES for seed in SEEDS for place, step in enumerate(steps)
    ]  # fmt: skip
    return pd.DataFrame(rows)
