"""Rates judged together: a smooth response finds the best one oftener than medians do."""

import numpy as np
import pandas as pd
import pytest

from pipeline.selection.response import response
from pipeline.selection.targets import REACH, WINDOW, horizon

RATES = 10.0 ** np.arange(-2, 1.1, 0.25)


def cells(seed: int, spread: float = 0.25, budget: float = np.inf, seeds: int = 3) -> pd.DataFrame:
    """Three seeds at every rate, around a parabola with its least steps, 100, at 0.1."""
    rng = np.random.default_rng(seed)
    logs = np.log(100) + 0.25 * np.log(RATES / 0.1) ** 2
    steps = np.exp(logs[:, None] + spread * rng.standard_normal((len(RATES), seeds)))
    reached = np.where(steps <= budget, steps, np.nan).ravel()
    return pd.DataFrame({"lr": np.repeat(RATES, seeds), "reached": reached, "lost_at": np.inf})


def test_a_known_response_is_recovered() -> None:
    found = response(cells(0, spread=0.001))
    assert found.idxmin() == pytest.approx(0.1)
    assert found.min() == pytest.approx(100, rel=0.01)


@pytest.mark.slow
def test_it_chooses_better_than_single_rates() -> None:
    """Regret in steps of the chosen rate, over studies."""
    truth = pd.Series(0.25 * np.log(RATES / 0.1) ** 2, index=RATES)
    joint, alone = [], []
    for seed in range(150):
        table = cells(seed)
        joint.append(truth[response(table).idxmin()])
        alone.append(truth[table.groupby("lr")["reached"].median().idxmin()])
    assert np.mean(joint) < 0.6 * np.mean(alone)
    assert np.mean(joint) < 0.05


def test_misses_count_as_more_than_the_budget() -> None:
    table = cells(1, budget=130.0)
    found = response(table)
    share = table["reached"].isna().groupby(table["lr"]).mean()
    assert np.isinf(found[share.index[share >= 0.5]]).all()
    assert found[np.isfinite(found)].idxmin() == pytest.approx(0.1, rel=1)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_beyond_the_horizon_counts(seed: int) -> None:
    """So that whoever stops there finds the same."""
    table = cells(seed)
    last = horizon(table)
    stopped = table.assign(reached=table["reached"].where(table["reached"] <= last))
    later = table.assign(lost_at=np.where(table["lr"] > 0.5, WINDOW * last + 1, np.inf))
    for other in (stopped, later):
        assert horizon(other) == last
        pd.testing.assert_series_equal(response(other), response(table))


def test_a_rate_that_arrives_and_falls_apart_at_once_does_not_lead() -> None:
    rates = {0.1: (100.0, np.inf), 1.0: (20.0, 35.0)}
    table = pd.DataFrame(
        [{"lr": lr, "reached": steps, "lost_at": lost} for lr, (steps, lost) in rates.items()]
    )
    assert horizon(table) == pytest.approx(REACH * 100)
    assert response(table).tolist() == [pytest.approx(100), np.inf]


def test_few_rates_are_judged_alone() -> None:
    table = cells(2, spread=0.05)
    two = table[table["lr"].isin(RATES[3:5])]
    expected = np.exp(np.log(two["reached"]).groupby(two["lr"]).mean())
    assert response(two).to_numpy() == pytest.approx(expected.to_numpy())


def test_two_seeds_far_apart_both_count() -> None:
    table = pd.DataFrame({"lr": 0.1, "reached": [10.0, 90.0], "lost_at": np.inf})
    assert horizon(table) == pytest.approx(REACH * 90)
    assert response(table).tolist() == [pytest.approx(30)]


def test_one_seed_and_one_rate() -> None:
    found = response(pd.DataFrame({"lr": [0.1], "reached": [50.0], "lost_at": [np.inf]}))
    assert found.tolist() == [pytest.approx(50)]


def test_nothing_arrived() -> None:
    found = response(cells(3).assign(reached=np.nan))
    assert np.isinf(found).all()
    assert len(found) == len(RATES)
