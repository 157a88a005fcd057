"""Steps over fresh seeds: misses count, and intervals cover what they say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.analysis import steps
from pipeline.selection import censored

STUDIES = 150


def studied(
    reach: float, seed: int, sizes: int = 9, seeds: int = 5, spread: float = 0.25
) -> tuple[pd.DataFrame, np.ndarray]:
    """Counted trainings of batch sizes whose budget holds a share ``reach`` of the seeds, and the
    true mean log steps."""
    rng = np.random.default_rng(seed)
    means = np.linspace(5, 7, sizes)
    logs = means[:, None] + spread * rng.standard_normal((sizes, seeds))
    budget = means[:, None] + (spread * stats.norm.ppf(reach) if reach < 1 else np.inf)
    missed = logs > budget
    table = pd.DataFrame(
        {"batch_size": np.repeat(2 ** np.arange(sizes), seeds),
         "steps": np.exp(np.minimum(logs, budget)).ravel(), "missed": missed.ravel()}
    )  # fmt: skip
    return table, means


@pytest.mark.slow
class TestCoverage:
    @pytest.mark.parametrize("reach", [1.0, 0.8, 0.6])
    def test_the_interval_covers_what_it_says(self, reach: float) -> None:
        covered = []
        for seed in range(STUDIES):
            table, means = studied(reach, seed)
            found = steps.estimate(table).by_batch_size
            covered += [
                found[2**n].low <= np.exp(mean) <= found[2**n].high
                for n, mean in enumerate(means)
                if np.isfinite(found[2**n].value)
            ]
        assert 0.93 <= np.mean(covered) <= 0.98

    def test_the_estimate_is_not_flattered_by_misses(self) -> None:
        found, plain = [], []
        for seed in range(STUDIES):
            table, means = studied(0.6, seed)
            estimates = steps.estimate(table).by_batch_size
            found += [np.log(estimates[2**n].value) - mean for n, mean in enumerate(means)]
            hits = table[~table["missed"]].groupby("batch_size")["steps"]
            plain.append(np.log(hits.first()).mean() - means.mean())
        finite = np.array(found)[np.isfinite(found)]
        assert abs(finite.mean()) < 0.03
        assert np.mean(plain) < -0.1  # the trap: the seeds that arrived were the fast ones


class TestEstimate:
    def test_without_misses_it_is_the_pooled_t_interval(self) -> None:
        table, _ = studied(1.0, 3)
        found = steps.estimate(table)
        logs = np.log(table["steps"].to_numpy()).reshape(9, 5)
        pooled = np.sqrt(logs.var(1, ddof=1).mean())
        assert found.freedom == 36
        assert found.spread == pytest.approx(pooled)
        half = stats.t.ppf(0.975, 36) * pooled / np.sqrt(5)
        first = found.by_batch_size[1]
        assert np.log([first.low, first.value, first.high]) == pytest.approx(
            logs[0].mean() + half * np.array([-1, 0, 1]), rel=1e-6
        )

    def test_one_seed_has_no_interval(self) -> None:
        table, _ = studied(1.0, 0, seeds=1)
        found = steps.estimate(table).by_batch_size[1]
        assert found.value == pytest.approx(table["steps"].iloc[0])
        assert np.isnan([found.low, found.high]).all()

    def test_what_nobody_reached_is_not_a_number(self) -> None:
        table, _ = studied(1.0, 0)
        lost = table.assign(missed=table["missed"] | (table["batch_size"] == 4))
        found = steps.estimate(lost).by_batch_size
        assert np.isnan(found[4].value)
        assert np.isfinite(found[8].low)
        nobody = steps.estimate(table.assign(missed=True))
        assert np.isnan([one.value for one in nobody.by_batch_size.values()]).all()

    def test_equal_steps_leave_no_doubt(self) -> None:
        table = pd.DataFrame({"batch_size": [4, 4, 8, 8], "steps": 100.0, "missed": False})
        found = steps.estimate(table).by_batch_size[4]
        assert (found.low, found.value, found.high) == pytest.approx((100, 100, 100))


class TestCounted:
    def cells(self, slow: float) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Two rates of one pack, the second ``slow`` times the steps of the first, but for the
        last seed, which it took a tenth."""
        rows = [
            ("v", 4, lr, seed, factor * (10.0 if seed == 3 and lr == 0.2 else 100.0), False)
            for lr, factor in ((0.1, 1.0), (0.2, slow))
            for seed in range(4)
        ]
        arrived = pd.DataFrame(
            rows, columns=["variant", "batch_size", "lr", "seed", "steps", "missed"]
        )
        selection = pd.DataFrame(
            {"variant": "v", "batch_size": 4, "lr": [0.1, 0.2],
             "criterion": ["fastest", "next_fastest"]}
        )  # fmt: skip
        return arrived.assign(examples_to_target=arrived["steps"] * 4), selection

    def test_a_seed_does_not_choose_its_own_rate(self) -> None:
        counted = steps.counted(*self.cells(1.2)).set_index("seed")
        # to the others the lucky seed makes the second rate the faster one, but not to itself
        assert counted["lr"].to_dict() == {0: 0.2, 1: 0.2, 2: 0.2, 3: 0.1}
        assert counted.loc[3, "steps"] == 100

    def test_a_rate_that_the_others_miss_with_is_not_chosen(self) -> None:
        arrived, selection = self.cells(0.5)
        missed = (arrived["lr"] == 0.2) & (arrived["seed"] < 3)
        counted = steps.counted(
            arrived.assign(missed=missed, steps=arrived["steps"].where(~missed, 900)), selection
        )
        assert set(counted["lr"]) == {0.1}

    @pytest.mark.slow
    def test_choosing_between_equal_rates_does_not_flatter(self) -> None:
        rng = np.random.default_rng(0)
        found = []
        for _ in range(200):
            arrived, selection = self.cells(1.0)
            arrived["steps"] = np.exp(0.3 * rng.standard_normal(len(arrived)))
            found.append(np.log(steps.counted(arrived, selection)["steps"]).mean())
        assert abs(np.mean(found)) < 0.03


class TestCensored:
    def test_a_line_is_recovered_beyond_its_budget(self) -> None:
        rng = np.random.default_rng(1)
        x = rng.uniform(-1, 1, 4000)
        y = 2 + 3 * x + 0.5 * rng.standard_normal(4000)
        beyond = y > 3.5
        design = np.column_stack([np.ones(4000), x])
        fit = censored.fit(design, np.minimum(y, 3.5), beyond)
        assert fit.coefficients == pytest.approx([2, 3], abs=0.06)
        assert fit.spread == pytest.approx(0.5, rel=0.05)
        plain = np.linalg.lstsq(design, np.minimum(y, 3.5), rcond=None)[0]
        assert plain[1] < 2.7  # the trap

    def test_without_censoring_it_is_least_squares(self) -> None:
        rng = np.random.default_rng(2)
        design, y = np.vander(rng.uniform(size=20), 3), rng.standard_normal(20)
        fit = censored.fit(design, y, np.zeros(20, bool))
        expected, squares, *_ = np.linalg.lstsq(design, y, rcond=None)
        assert fit.coefficients == pytest.approx(expected)
        assert fit.spread == pytest.approx(np.sqrt(squares[0] / 17))
        assert fit.freedom == 17
