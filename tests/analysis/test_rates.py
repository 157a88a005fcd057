"""How the best rate moves with the batch size, where that is known."""

import numpy as np
import pandas as pd
import pytest

from makers.curves import window_table
from pipeline.analysis import rates
from pipeline.selection.statistics import UNKNOWN

SIZES = 4 * 2 ** np.arange(9)
RATES = np.geomspace(1e-3, 10, 17)
BUDGET = 3000.0


def screened(
    below: float, above: float, seed: int, spread: float = 0.15, scatter: float = 0.2
) -> pd.DataFrame:
    """Three seeds at every rate: log steps are a parabola around a vertex that grows as B^below up
    to batch size 64 and as B^above beyond it, and that scatters from batch size to batch size."""
    rng = np.random.default_rng(seed)
    rows = []
    for size in SIZES:
        away = np.log(size / 64)
        best = np.log(0.3) + (below if away < 0 else above) * away + rng.normal(0, scatter)
        fewest = np.log(50 + 3000 / size)
        for lr in RATES:
            for number in range(3):
                log = fewest + 0.35 * (np.log(lr) - best) ** 2 + rng.normal(0, spread)
                rows.append((int(size), lr, number, min(np.exp(log), BUDGET), np.exp(log) > BUDGET))
    return pd.DataFrame(rows, columns=["batch_size", "lr", "seed", "steps", "missed"])


@pytest.mark.parametrize("k", [0.0, 0.5, 1.0])
def test_a_known_exponent_is_found(k: float) -> None:
    surface = rates.surface(screened(k, k, 0, spread=0.01, scatter=0.0), None)
    assert surface.whole.value == pytest.approx(k, abs=0.02)
    assert surface.below is UNKNOWN
    assert surface.best_rate(np.array([64.0])) == pytest.approx(0.3, rel=0.05)


def test_two_exponents_meet_at_the_critical_batch_size() -> None:
    surface = rates.surface(screened(0.8, 0.0, 0, spread=0.01, scatter=0.0), 64.0)
    assert surface.below.value == pytest.approx(0.8, abs=0.03)
    assert surface.above.value == pytest.approx(0.0, abs=0.03)
    assert surface.best_rate(np.array([4.0, 1024.0])) == pytest.approx(
        [0.3 / 16**0.8, 0.3], rel=0.1
    )


@pytest.mark.slow
@pytest.mark.parametrize(("below", "above"), [(1.0, 0.0), (0.5, 0.0), (0.0, 0.0)])
def test_the_intervals_cover(below: float, above: float) -> None:
    """And so a rule that holds is refuted in at most 5 of 100 studies."""
    inside = []
    for seed in range(100):
        surface = rates.surface(screened(below, above, seed), 64.0)
        for exponent, known in ((surface.below, below), (surface.above, above)):
            inside.append(exponent.low <= known <= exponent.high)
    assert 0.93 <= np.mean(inside) <= 0.99


def test_few_batch_sizes_on_one_side_give_one_line() -> None:
    surface = rates.surface(screened(0.5, 0.5, 0), 5.0)
    assert surface.critical is None
    assert surface.below is UNKNOWN
    assert surface.whole.n == len(SIZES)


def test_few_rates_give_nothing() -> None:
    table = screened(0.5, 0.5, 0)
    few = table[np.isclose(table["lr"], RATES[8])]
    assert rates.surface(few, None).whole is UNKNOWN
    assert rates.surface(table[:0], None).whole is UNKNOWN


def test_the_window_is_what_reaches_the_target() -> None:
    window = rates.windows(*window_table(0.5))
    width = 2 * np.sqrt(np.log(30) / 0.3) / np.log(10)
    assert window["decades"].to_numpy() == pytest.approx(width, abs=0.5)
    assert (window["too_small"] > 0).all()
    assert (window["too_large"] > 0).all()
