"""What learning-rate finders choose from curves that are known, and what it costs."""

import numpy as np
import pandas as pd
import pytest

from makers.study import study_of
from pipeline.analysis import finders
from pipeline.analysis.claims import training

RATES = np.geomspace(1e-7, 10, 100)
SIZES = (4, 16, 64, 256)


def curve(falls_at: float, rises_at: float = 3.0) -> np.ndarray:
    """A loss that falls by half around one rate and explodes beyond another."""
    fall = 1 / (1 + (RATES / falls_at) ** 2)
    return 0.5 + 0.5 * fall + (RATES / rises_at) ** 4


class TestSuggestions:
    def test_the_steepest_descent(self) -> None:
        """1 / (1 + x^2) falls steepest in log x at 1, and in x at 1 / sqrt(3)."""
        losses = curve(0.01)
        assert finders.steepest(RATES, losses) == pytest.approx(0.01, rel=0.15)
        by_rate = finders.steepest_by_rate(RATES, losses)
        assert by_rate == pytest.approx(0.01 / 3**0.5, rel=0.15)

    def test_by_rate_noise_at_tiny_rates_decides(self) -> None:
        losses = curve(0.01) + np.random.default_rng(0).normal(0, 1e-3, len(RATES))
        assert finders.steepest(RATES, losses) == pytest.approx(0.01, rel=0.3)
        assert finders.steepest_by_rate(RATES, losses) < 1e-5

    def test_the_valley_lies_within_the_descent(self) -> None:
        found = finders.valley(RATES, curve(0.01))
        assert 1e-5 < found < 1.0

    def test_the_longest_falling_subsequence_by_hand(self) -> None:
        """5 4 4.5 3 2 9 falls in four steps, of which the half way one is taken."""
        rates = np.geomspace(1, 2, 21)
        losses = np.concatenate([np.full(10, 9.0), [5, 4, 4.5, 3, 2, 9], np.full(5, 9.0)])
        start, end = 0, 4
        third = (end - start) / 3
        assert finders.valley(rates, losses) == rates[10 + int(third) + int(third / 2)]

    def test_a_test_that_broke_off_at_once_suggests_nothing(self) -> None:
        for _, rule in finders.FINDERS.values():
            assert np.isnan(rule(RATES[:8], np.ones(8)))

    def test_what_is_not_finite_is_left_out(self) -> None:
        losses = curve(0.01)
        broken = np.append(losses[:90], np.full(10, np.nan))
        assert 0 < finders.valley(RATES, broken) < RATES[90]
        assert 0 < finders.steepest(RATES, broken) < RATES[90]


def choices(falls_at: float, best: float) -> pd.DataFrame:
    """Choices at every batch size, whose steps are a parabola around a best rate."""
    tests = pd.concat(
        pd.DataFrame({"lr": RATES, "loss": curve(falls_at)}).assign(
            library=library, variant="baseline", batch_size=size, seed=seed
        )
        for library in ("lightning", "fastai")
        for size in SIZES
        for seed in range(3)
    )
    grid = np.geomspace(1e-4, 10, 21)
    steps = 100 * np.exp(0.3 * np.log(grid / best) ** 2)
    rates = pd.concat(
        pd.DataFrame({"lr": grid, "median_steps": np.where(steps < 3000, steps, np.inf)}).assign(
            variant="baseline", batch_size=size
        )
        for size in SIZES
    )
    index = pd.MultiIndex.from_product([["baseline"], SIZES])
    return finders.choices(tests, rates, pd.Series(3000, index=index))


class TestChoices:
    def test_the_best_rate_costs_nothing(self) -> None:
        near = finders.steepest(RATES, curve(0.01))
        table = choices(0.01, best=near)
        chosen = table[table["finder"] == "lightning"]
        assert chosen["suggested_lr"].to_numpy() == pytest.approx(near)
        assert chosen["steps_ratio"].to_numpy() == pytest.approx(1, rel=0.03)
        assert not chosen["missed"].any()

    def test_a_rate_that_is_too_small_costs_what_the_parabola_says(self) -> None:
        near = finders.steepest(RATES, curve(0.01))
        table = choices(0.01, best=5 * near)
        chosen = table[table["finder"] == "lightning"]
        assert chosen["steps_ratio"].to_numpy() == pytest.approx(
            np.exp(0.3 * np.log(5) ** 2), rel=0.05
        )

    def test_a_rate_that_misses_has_at_least_its_budget(self) -> None:
        table = choices(0.0001, best=3.0)
        chosen = table[table["finder"] == "lightning"]
        assert chosen["missed"].all()
        assert chosen["steps_ratio"].to_numpy() == pytest.approx(30, rel=0.05)

    def test_between_a_hit_and_a_miss_lies_a_miss(self) -> None:
        logs = np.log([100.0, np.inf, 50.0, 60.0])
        at = [
            finders.log_steps_at(x, np.arange(4.0), logs) for x in (0.0, 0.5, 2.0, 2.5, 3.5, -1.0)
        ]
        assert np.isinf(at).tolist() == [False, True, False, False, True, True]


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "supported"), (5.0, "refuted"), (300.0, "refuted")]
)
def test_the_claim(factor: float, verdict: str) -> None:
    near = finders.steepest(RATES, curve(0.001))
    study = study_of(finder_choices=choices(0.001, best=factor * near))
    outcome = training.lr_finder_steepest(study)
    assert outcome.verdict == verdict
    assert "nan" not in outcome.finding


def test_one_batch_size_that_misses_is_named() -> None:
    table = choices(0.001, best=finders.steepest(RATES, curve(0.001)))
    table.loc[(table["finder"] == "lightning") & (table["batch_size"] == 4), "missed"] = True
    outcome = training.lr_finder_steepest(study_of(finder_choices=table))
    assert outcome.verdict == "refuted"
    assert outcome.effect.value == 0.75
    assert "steps at batch size 16, 64, 256, and is missed at batch size 4." in outcome.finding


def test_without_range_tests_nothing_is_claimed() -> None:
    study = study_of(finder_choices=pd.DataFrame(columns=finders.COLUMNS))
    assert training.lr_finder_valley(study).verdict == "not tested"
