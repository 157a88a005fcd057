"""What a batch that grows is charged."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import ranking, tradeoff
from pipeline.selection.statistics import UNKNOWN

SIZES = np.array([8, 16, 32, 64])


def merged(growth: float) -> pd.DataFrame:
    """Steps of 100 us and 10 us an example."""
    return pd.DataFrame(
        {"variant": "v", "batch_size": SIZES, "steps_to_target": 100.0}
        | {"seconds_per_step": 1e-4 + 1e-5 * SIZES, "examples_to_target": 100.0 * SIZES * growth}
    )


def test_a_step_is_charged_at_its_mean_size() -> None:
    """By an affine law that is exact, whatever sizes the batch goes through."""
    found = tradeoff.seconds_of_mean_size(merged(1.7))[:3]
    assert found.to_numpy() == pytest.approx(1e-4 + 1.7e-5 * SIZES[:3])
    beyond = tradeoff.seconds_of_mean_size(merged(3.0))[3]
    assert beyond == pytest.approx(3 * (1e-4 + 1e-5 * 64))


def test_a_batch_that_stays_is_charged_as_it_was_timed() -> None:
    table = merged(1.0)
    table.loc[1, ["steps_to_target", "examples_to_target"]] = np.nan
    table.loc[2, "seconds_per_step"] = 7.0
    assert tradeoff.seconds_of_mean_size(table).equals(table["seconds_per_step"])


def test_a_size_that_could_not_be_timed_is_passed_over() -> None:
    table = merged(1.7)
    table.loc[1, "seconds_per_step"] = np.nan
    found = tradeoff.seconds_of_mean_size(table)
    assert found[0] == pytest.approx(1e-4 + 1.7e-5 * 8)
    assert tradeoff.seconds_of_mean_size(table.assign(seconds_per_step=np.nan)).isna().all()


def test_the_least_of_two_sides_covers_the_truth() -> None:
    """Also where who is the fastest of a side is not known."""
    truth = np.log([1.0, 1.1, 2.0, 1.5, 1.4])
    inside, sure = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        estimates = truth + rng.normal(0, 0.15, 5)
        drawn = estimates[:, None] + rng.normal(0, 0.15, (5, 4000))
        found = ranking.least(drawn, [0, 1, 2], [3, 4], 5)
        inside.append(found.low <= 1 / 1.4 <= found.high)
        sure.append(found.high < 1)
    assert np.mean(inside) >= 0.92
    assert np.mean(sure) > 0.2


def test_a_side_without_seconds_gives_nothing() -> None:
    drawn = np.array([[0.0, 0.1], [np.nan, np.nan]])
    assert ranking.least(drawn, [0], [1], 5) is UNKNOWN
