"""Rates judged together: a smooth response finds the best one oftener than medians do."""

import numpy as np
import pandas as pd
import pytest

from pipeline.selection.response import response

RATES = 10.0 ** np.arange(-2, 1.1, 0.25)


def cells(seed: int, spread: float = 0.25, budget: float = np.inf, seeds: int = 3) -> pd.DataFrame:
    """Three seeds at every rate, around a parabola with its least steps, 100, at 0.1."""
    rng = np.random.default_rng(seed)
    logs = np.log(100) + 0.25 * np.log(RATES / 0.1) ** 2
    steps = np.exp(logs[:, None] + spread * rng.standard_normal((len(RATES), seeds)))
    table = pd.DataFrame({"lr": np.repeat(RATES, seeds), "steps": steps.ravel()})
    return table.assign(missed=table["steps"] > budget, steps=table["steps"].clip(upper=budget))


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
        alone.append(truth[table.groupby("lr")["steps"].median().idxmin()])
    assert np.mean(joint) < 0.6 * np.mean(alone)
    assert np.mean(joint) < 0.05


def test_misses_count_as_more_than_the_budget() -> None:
    table = cells(1, budget=130.0)
    found = response(table)
    share = table.groupby("lr")["missed"].mean()
    assert np.isinf(found[share.index[share >= 0.5]]).all()
    assert found[np.isfinite(found)].idxmin() == pytest.approx(0.1, rel=1)


def test_few_rates_are_judged_alone() -> None:
    table = cells(2)
    two = table[table["lr"].isin(RATES[3:5])]
    expected = np.exp(np.log(two["steps"]).groupby(two["lr"]).mean())
    assert response(two).to_numpy() == pytest.approx(expected.to_numpy())


def test_one_seed_and_one_rate() -> None:
    found = response(pd.DataFrame({"lr": [0.1], "steps": [50.0], "missed": [False]}))
    assert found.tolist() == [pytest.approx(50)]


def test_nothing_arrived() -> None:
    found = response(cells(3).assign(missed=True))
    assert np.isinf(found).all()
    assert len(found) == len(RATES)
