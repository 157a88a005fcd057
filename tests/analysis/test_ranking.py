"""Who may be the fastest: the set holds it, the probabilities are honest, the price covers."""

import functools

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import ranking, steps
from pipeline.analysis.steps import Steps

STUDIES = 150
SPREAD, CLOCK = 0.25, 0.05
TRUTH = np.array([5.0, 4.6, 4.5, 4.55, 5.2])
"""Log seconds of five batch sizes, three of them close."""


def studied(
    seed: int, seeds: int = 5, truth: np.ndarray = TRUTH
) -> tuple[pd.DataFrame, dict[str, Steps]]:
    """The tradeoff of a study with known seconds, of which steps and clock are measured."""
    rng = np.random.default_rng(seed)
    logs = truth[:, None] + SPREAD * rng.standard_normal((5, seeds))
    cells = pd.DataFrame(
        {"batch_size": np.repeat([4, 8, 16, 32, 64], seeds), "steps": np.exp(logs).ravel(),
         "missed": False}
    )  # fmt: skip
    found = steps.estimate(cells)
    clock = np.exp(CLOCK / np.sqrt(2) * rng.standard_normal(5))
    table = pd.DataFrame(
        [
            {"variant": "v", "batch_size": size} | estimate.columns("steps_to_target")
            for size, estimate in found.by_batch_size.items()
        ]
    )
    return table.assign(seconds_to_target=table["steps_to_target"] * clock), {"v": found}


def drawn(
    seed: int, truth: np.ndarray = TRUTH, seeds: int = 5, times_seeds: float = 1.0
) -> np.ndarray:
    """Its draws."""
    table, by_variant = studied(seed, seeds, truth)
    errors = pd.Series(CLOCK / np.sqrt(2), index=table.index)
    return ranking.draws(table, by_variant, errors, 0, times_seeds)


@functools.cache
def ranked() -> list[pd.DataFrame]:
    """All studies ranked."""
    return [ranking.ranked(drawn(seed)) for seed in range(STUDIES)]


def any_truth(seed: int) -> np.ndarray:
    """Batch sizes that differ by anything."""
    return np.random.default_rng([seed, 1]).normal(5, 0.5, 5)


@pytest.mark.slow
class TestRanked:
    def test_the_set_holds_the_fastest_as_often_as_it_says(self) -> None:
        held = [table["may_be_fastest"][2] for table in ranked()]
        assert np.mean(held) >= 0.94

    def test_what_is_far_slower_is_left_out(self) -> None:
        held = [table["may_be_fastest"][4] for table in ranked()]
        assert np.mean(held) < 0.1

    def test_probabilities_are_those_of_being_right(self) -> None:
        """Over batch sizes that differ by anything; near ties look more decided than they are."""
        tables = [ranking.ranked(drawn(s, any_truth(s))) for s in range(STUDIES)]
        said = np.mean([table["probability_fastest"].max() for table in tables])
        right = [
            table["probability_fastest"].idxmax() == any_truth(seed).argmin()
            for seed, table in enumerate(tables)
        ]
        assert np.mean(right) == pytest.approx(said, abs=0.06)
        assert all(table["probability_fastest"].sum() == pytest.approx(1) for table in tables)

    def test_the_least_regret_costs_less_than_it_says(self) -> None:
        tables = ranked()
        cost = np.exp(TRUTH - TRUTH.min()) - 1
        paid = np.mean([cost[table["regret"].idxmin()] for table in tables])
        said = np.mean([table["regret"].min() for table in tables])
        assert paid <= said * 1.3

    def test_the_price_covers_the_true_ratio(self) -> None:
        prices = [ranking.price(drawn(seed), 0, 2) for seed in range(STUDIES)]
        truth = np.exp(TRUTH[0] - TRUTH[2])
        assert 0.9 <= np.mean([one.low <= truth <= one.high for one in prices]) <= 0.99

    def test_the_dearest_is_an_upper_bound(self) -> None:
        rows, truth = np.array([1, 3]), np.exp((TRUTH[[1, 3]] - TRUTH[2]).max())
        held = [ranking.dearest(drawn(seed), rows, 2) >= truth for seed in range(STUDIES)]
        assert np.mean(held) >= 0.94


@pytest.mark.parametrize("seeds", [2, 5])
def test_more_seeds_give_about_what_was_foretold(seeds: int) -> None:
    """Tails, too: more seeds leave more degrees of freedom. The clock errs as before."""

    def reach(seeds: int, times_seeds: float = 1.0) -> float:
        logs = [drawn(seed, seeds=seeds, times_seeds=times_seeds)[1:3] for seed in range(80)]
        high, middle = np.quantile(logs, [0.9875, 0.5], axis=2)
        return float((high - middle).mean())

    now, foretold, then = reach(seeds), reach(seeds, 8), reach(8 * seeds)
    assert foretold == pytest.approx(then, rel=0.1)
    assert now > 1.8 * foretold


class TestEdges:
    def test_one_row_is_the_fastest(self) -> None:
        table = ranking.ranked(np.zeros((1, 10)))
        assert table.loc[0].tolist() == [1.0, 0.0, True]

    def test_a_row_without_seconds_is_never_the_fastest(self) -> None:
        table = ranking.ranked(np.array([[np.nan] * 10, [0.0] * 10]))
        assert table["may_be_fastest"].tolist() == [False, True]
        assert np.isnan(table.loc[0, "regret"])
        assert np.isnan(ranking.price(np.array([[np.nan] * 10, [0.0] * 10]), 0, 1).value)

    def test_nothing_arrived(self) -> None:
        table = ranking.ranked(np.full((2, 10), np.nan))
        assert not table["may_be_fastest"].any()

    def test_without_intervals_the_order_is_that_of_the_seconds(self) -> None:
        table, by_variant = studied(0, seeds=1)
        found = ranking.draws(table, by_variant, pd.Series(0.0, index=table.index), 0)
        assert np.ptp(found, axis=1).max() == 0
        ranked = ranking.ranked(found)
        assert ranked["may_be_fastest"].sum() == 1
        assert ranked["regret"].idxmin() == table["seconds_to_target"].idxmin()
