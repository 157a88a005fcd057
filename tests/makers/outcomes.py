"""What the measures of solutions would be, if they followed known laws."""

import numpy as np
import pandas as pd

from pipeline.analysis import generalisation
from pipeline.analysis.generalisation import COMPARISONS

SIZES = [4, 16, 64, 256]
WATCHED = [4, 8, 16, 32, 64, 128, 256]


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
    """All measures grow as B^exponent at every point; those of the rescaled one are larger."""
    rows = [
        {"variant": "v", "batch_size": size, "lr": 0.1, "seed": seed, "point": point,
         "eigenvalue_1": base * (factor if point == "rescaled" else 1), "train_loss": 0.1,
         "keskar_full_0.001": base * (factor if point == "rescaled" else 1), "adaptive": base}
        for size in SIZES for seed in SEEDS
        for point in ("solution", "rescaled", "early", "equal loss")
        for base in [0.5 * size**exponent * (1 + 10 * JITTER[seed])]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def gradients(exponent: float = -0.5, scale: float = 25.0) -> pd.DataFrame:
    """The error falls as m^exponent; the noise scale half way scatters around ``scale``."""
    rows = [
        {"variant": "v", "batch_size": size, "moment": moment, "examples": m, "population": 2048,
         "relative_error": 5 * m**exponent * np.sqrt((2048 - m) / 2047), "cosine": 0.95,
         "gradient_norm": 1.0, "noise_scale": scale * 1.2**place, "noise_scale_low": 20,
         "noise_scale_high": 30}
        for place, size in enumerate(SIZES) for moment in ("early", "middle")
        for m in 2 ** np.arange(11)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def wandering(
    exponent: float, seed: int = 0, drift: float = 0.0, rates: tuple[float, ...] = (0.1, 0.2)
) -> pd.DataFrame:
    """Dense evaluations whose log losses scatter as B^exponent around a line of this slope in log
    steps, at rates that scatter as their square root; minibatch losses spread as B^-0.5."""
    rng = np.random.default_rng(seed)
    steps = np.unique(np.round(200 * 1.05 ** np.arange(30)))
    rows = [
        {"variant": "v", "batch_size": size, "lr": rate, "seed": number, "step": step,
         "val_loss": np.exp(-drift * np.log(step) + 0.1 * size**exponent * rate**0.5
                            * rng.standard_normal()),
         "train_loss": 1.0, "train_loss_sd": size**-0.5}
        for size in WATCHED for rate in rates for number in SEEDS for step in steps
    ]  # fmt: skip
    return pd.DataFrame(rows)
