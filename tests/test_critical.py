"""The critical batch size, the learning-rate rule, and the claims that rest on them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.analysis import claims, claims_training, critical, descent, rates
from pipeline.analysis.claim import Evidence
from pipeline.analysis.critical import Runs

SIZES = 2.0 ** np.arange(2, 11)
SEEDS = 5


def runs(critical_size: float, spread: float = 0.1, seed: int = 0, sharpness: float = 1) -> Runs:
    """Five seeds at every size, scattered around S_min = 100."""
    sizes = np.repeat(SIZES, SEEDS)
    ratio = (critical_size / sizes) ** sharpness
    noise = np.random.default_rng(seed).standard_normal(len(sizes))
    steps = 100 * (1 + ratio) ** (1 / sharpness) * np.exp(spread * noise)
    missed = np.zeros(len(sizes), dtype=bool)
    return Runs(sizes, steps, missed, np.tile(np.arange(SEEDS), len(SIZES)))


def fitted(data: Runs) -> critical.Critical:
    found = critical.fit(data, 0)
    assert found is not None
    return found


class TestFit:
    @pytest.mark.parametrize("size", [45, 60, 250])
    def test_a_known_truth_is_recovered(self, size: float) -> None:
        found = fitted(runs(size, spread=0.001))
        assert found.curve.critical == pytest.approx(size, rel=0.01)
        assert found.curve.least_steps == pytest.approx(100, rel=0.01)
        assert found.curve.least_examples == pytest.approx(100 * size, rel=0.01)
        assert found.low <= size * 1.01
        assert found.high >= size * 0.99
        assert found.identified == "yes"

    @pytest.mark.slow
    def test_the_interval_covers_what_it_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(critical, "RESAMPLES", 1)
        found = [fitted(runs(60, spread=0.2, seed=seed)) for seed in range(200)]
        covered = np.mean([one.low <= 60 <= one.high for one in found])
        assert 0.92 <= covered <= 0.98

    def test_a_sharper_knee_is_seen(self) -> None:
        found = fitted(runs(60, spread=0.05, sharpness=4))
        assert found.probability < 0.01
        assert found.sharper.sharpness == pytest.approx(4, rel=0.3)
        assert found.sharper.critical == pytest.approx(60, rel=0.1)
        assert fitted(runs(60, spread=0.05)).probability > 0.01

    def test_censored_seeds_pull_less_than_hits_and_more_than_nothing(self) -> None:
        data = runs(60, spread=0.1)
        lost = (data.batch_size == 1024) & (data.seed < 2)
        budget = np.where(lost, 130.0, data.steps)
        censored = fitted(Runs(data.batch_size, budget, lost, data.seed))
        assert censored.missed == 2
        assert censored.curve.least_steps == pytest.approx(100, rel=0.15)
        assert (
            censored.curve.least_steps
            > fitted(
                Runs(data.batch_size, budget, np.zeros_like(lost), data.seed)
            ).curve.least_steps
            * 0.99
        )

    @pytest.mark.parametrize(("size", "where"), [(1e5, "above"), (1.0, "below")])
    def test_what_the_sizes_do_not_bracket_is_not_identified(self, size: float, where: str) -> None:
        found = fitted(runs(size, spread=0.05))
        assert found.identified == where
        assert found.high > 1e4 if where == "above" else found.low < 2

    def test_steps_that_rise_again_show_in_the_spread(self) -> None:
        smooth = runs(60, spread=0.05)
        worse = np.where(smooth.batch_size == SIZES[-1], 3 * smooth.steps, smooth.steps)
        bent = fitted(Runs(smooth.batch_size, worse, smooth.missed, smooth.seed))
        assert bent.curve.spread > 3 * fitted(smooth).curve.spread
        assert np.isfinite([bent.low, bent.curve.critical, bent.high]).all()

    def test_few_batch_sizes_are_not_fitted(self) -> None:
        data = runs(60)
        assert critical.fit(data.take(np.flatnonzero(data.batch_size <= 8)), 0) is None

    def test_the_order_of_rows_does_not_matter(self) -> None:
        data = runs(60)
        order = np.random.default_rng(1).permutation(len(data.steps))
        mixed = fitted(data.take(order))
        assert mixed.curve.critical == pytest.approx(fitted(data).curve.critical, rel=1e-3)
        assert mixed.low == pytest.approx(fitted(data).low, rel=1e-2)

    def test_regimes(self) -> None:
        curve = fitted(runs(60, spread=0.001)).curve
        found = critical.regimes(curve, [4, 8, 16, 64, 256, 512])
        assert found == {"perfect": [4, 8], "diminishing": [16, 64, 256], "flat": [512]}

    def test_runs_leave_edges_out_and_censor_the_diverged(self) -> None:
        selection = pd.DataFrame(
            {"variant": "v", "batch_size": [4, 8], "lr": [0.1, 0.2], "criterion": "fastest",
             "at_edge": [False, True]}
        )  # fmt: skip
        confirmed = pd.DataFrame(
            {"variant": "v", "batch_size": [4, 4, 8], "lr": [0.1, 0.1, 0.2], "seed": [1, 2, 1],
             "steps": [300, 7, 300], "steps_to_target": [50.0, np.nan, 60.0]}
        )  # fmt: skip
        found = critical.runs_of(confirmed, selection, "v")
        assert found.batch_size.tolist() == [4, 4]
        assert found.steps.tolist() == [50, 300]
        assert found.missed.tolist() == [False, True]


def window_table(exponent: float, edge: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates whose log steps are a parabola around 0.01 B^exponent."""
    grid = np.logspace(-4, 2, 25)
    rows = [
        {"variant": "baseline", "batch_size": int(size), "lr": lr,
         "median_steps": 100 * np.exp(0.3 * np.log(lr / (0.01 * size**exponent)) ** 2)}
        for size in SIZES
        for lr in grid
    ]  # fmt: skip
    table = pd.DataFrame(rows).assign(seeds=3, diverged=0)
    far = table["median_steps"] > 3000
    table["median_steps"] = table["median_steps"].where(~far, np.inf)
    best = table.loc[table.groupby("batch_size")["median_steps"].idxmin()]
    chosen = best.assign(criterion="fastest", at_edge=edge)
    return table, chosen


def evidence_of(window: pd.DataFrame) -> Evidence:
    nothing = pd.DataFrame()
    return Evidence("baseline", nothing, nothing, None, window, nothing, 100)


class TestLackOfFit:
    def runs(self, bend: float, spread: float) -> tuple[Runs, critical.Curve]:
        curve = critical.Curve(50.0, 32.0, spread, 1.0, 0.0)
        sizes = np.repeat(SIZES, 5).astype(float)
        noise = np.exp(np.random.default_rng(3).normal(0, spread, len(sizes)))
        wave = np.exp(bend * np.cos(np.pi * np.arange(len(SIZES))))
        steps = curve.steps(sizes) * noise * np.repeat(wave, 5)
        return Runs(
            sizes, steps, np.zeros(len(sizes), bool), np.tile(np.arange(5), len(SIZES))
        ), curve

    def test_seeds_alone_are_no_lack_of_fit(self) -> None:
        assert critical.lack_of_fit(*self.runs(0.0, 0.2)) > 0.05

    def test_batch_sizes_off_the_curve_are(self) -> None:
        assert critical.lack_of_fit(*self.runs(0.3, 0.2)) < 1e-3

    def test_one_seed_each_cannot_tell(self) -> None:
        runs, curve = self.runs(0.0, 0.2)
        assert np.isnan(critical.lack_of_fit(runs.take(np.arange(0, len(runs.steps), 5)), curve))


class TestRates:
    @pytest.mark.parametrize("k", [0.0, 0.5, 1.0])
    def test_a_known_exponent_is_found(self, k: float) -> None:
        window = rates.windows(*window_table(k))
        slope, bend = rates.exponent(window, "baseline")
        assert slope.value == pytest.approx(k, abs=1e-6)
        assert bend is None
        assert window["refined_lr"].to_numpy() == pytest.approx(0.01 * SIZES**k)

    def test_the_window_is_what_reaches_the_target(self) -> None:
        window = rates.windows(*window_table(0.5))
        width = 2 * np.sqrt(np.log(30) / 0.3) / np.log(10)
        assert window["decades"].to_numpy() == pytest.approx(width, abs=0.5)
        assert (window["too_small"] > 0).all()
        assert (window["too_large"] > 0).all()

    def test_edges_are_kept_out(self) -> None:
        slope, _ = rates.exponent(rates.windows(*window_table(0.5, edge=True)), "baseline")
        assert slope.n == 0

    def test_a_rate_just_below_divergence_is_kept_out_of_the_exponent(self) -> None:
        table, chosen = window_table(0.5)
        before = rates.windows(table, chosen)
        largest = before["lr"].iloc[-1]
        table = table[(table["lr"] <= largest) | (table["lr"] > 2.5 * largest)]
        above = (table["batch_size"] == before["batch_size"].iloc[-1]) & (table["lr"] > largest)
        table.loc[above, "diverged"] = table["seeds"]
        after = rates.windows(table, chosen)
        assert before["settled"].all()
        assert after["settled"].tolist() == [True] * (len(after) - 1) + [False]
        assert rates.exponent(after, "baseline")[0].n == len(after) - 1

    def test_a_rule_is_supported_only_where_the_interval_tells_it_from_the_other(self) -> None:
        window = rates.windows(*window_table(0.5))
        rng = np.random.default_rng(0)
        verdicts = []
        for noise in (0.0, 1.5, 3.0):
            factor = np.exp(noise * rng.standard_normal(len(window)))
            noisy = window.assign(refined_lr=window["refined_lr"] * factor)
            claim = claims_training.scaling_rule(evidence_of(noisy))
            verdicts.append(claim.verdict)
        assert verdicts[0] == "supported"
        assert "supported" not in verdicts[1:]

    def test_the_interval_is_no_narrower_than_the_grid_of_rates(self) -> None:
        table, chosen = window_table(0.0)
        table["median_steps"] = np.where(np.isclose(table["lr"], 0.01), 10.0, np.inf)
        slope, _ = rates.exponent(rates.windows(table, chosen), "baseline")
        step = np.log(10) / 4
        logs = np.log(SIZES) - np.log(SIZES).mean()
        error = step / np.sqrt(12 * (logs**2).sum())
        half = stats.t.ppf(0.975, len(SIZES) - 2) * error
        assert slope.value == pytest.approx(0, abs=1e-9)
        assert slope.high == pytest.approx(half)

    def test_a_rate_beside_a_failure_is_not_refined(self) -> None:
        table = pd.DataFrame({"lr": [0.1, 1.0, 10.0], "median_steps": [50.0, 10.0, np.inf]})
        assert rates.refined(table, 1.0) == 1.0
        assert rates.refined(table, 0.1) == 0.1


def test_the_textbooks_descent_ends_where_it_says() -> None:
    good, large, small, saddle = (example.path()[-1] for example in descent.EXAMPLES)
    assert good == pytest.approx([-6.11110793e-10, 8.14814391e-10], rel=1e-6)
    assert large == pytest.approx([-2.58983747e13, -1.29524862e12], rel=1e-6)
    assert small == pytest.approx([-3, 4], abs=1e-7)
    assert saddle == pytest.approx([0, 0], abs=1e-9)
    gradient = descent.numerical_gradient(descent.bowl, np.array([3.0, 4.0]))
    assert gradient == pytest.approx([6, 8], abs=1e-8)


class TestClaims:
    def verdict(self, name: str, size: float, exponent: float) -> str:
        data = runs(size, spread=0.01)
        steps = pd.Series(data.steps).groupby(data.batch_size).median()
        tradeoff = pd.DataFrame(
            {"variant": "baseline", "batch_size": SIZES.astype(int),
             "examples_to_target": steps.to_numpy() * SIZES}
        )  # fmt: skip
        curves = pd.DataFrame(
            {"variant": "baseline", "batch_size": [16, 16], "step": [62, 31], "epoch": [1.0, 0.5]}
        )
        evidence = Evidence(
            "baseline", pd.DataFrame(), tradeoff, fitted(data),
            rates.windows(*window_table(exponent)), curves, 1000,
        )  # fmt: skip
        tests = {test.__name__: test for test in claims.LEDGER}
        return tests[name](evidence).verdict

    @pytest.mark.parametrize(
        ("size", "verdict"), [(1e6, "supported"), (60, "mixed"), (3.0, "refuted")]
    )
    def test_the_constant_product(self, size: float, verdict: str) -> None:
        assert self.verdict("constant_product", size, 0.5) == verdict

    @pytest.mark.parametrize(
        ("k", "verdict"), [(1.0, "supported"), (0.5, "supported"), (0.0, "refuted")]
    )
    def test_the_scaling_rule(self, k: float, verdict: str) -> None:
        assert self.verdict("scaling_rule", 60, k) == verdict

    def test_the_window_and_the_epochs(self) -> None:
        assert self.verdict("lr_window", 60, 0.5) == "supported"
        assert self.verdict("epoch_steps", 60, 0.5) == "supported"
