"""The critical batch size, fitted to steps that follow a known curve."""

import numpy as np
import pandas as pd
import pytest

from makers.curves import SIZES, fitted, runs
from pipeline.analysis import critical
from pipeline.analysis.critical import Runs


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

    @pytest.mark.slow
    def test_a_sharper_knee_is_seen(self) -> None:
        found = fitted(runs(60, spread=0.05, sharpness=4))
        assert found.probability < 0.01
        assert found.sharper.sharpness == pytest.approx(4, rel=0.3)
        assert found.sharper.critical == pytest.approx(60, rel=0.1)
        assert fitted(runs(60, spread=0.05)).probability > 0.01

    @pytest.mark.slow
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

    @pytest.mark.slow
    @pytest.mark.parametrize(("size", "where"), [(1e5, "above"), (1.0, "below")])
    def test_what_the_sizes_do_not_bracket_is_not_identified(self, size: float, where: str) -> None:
        found = fitted(runs(size, spread=0.05))
        assert found.identified == where
        assert found.high > 1e4 if where == "above" else found.low < 2

    @pytest.mark.slow
    def test_steps_that_rise_again_show_in_the_spread(self) -> None:
        smooth = runs(60, spread=0.05)
        worse = np.where(smooth.batch_size == SIZES[-1], 3 * smooth.steps, smooth.steps)
        bent = fitted(Runs(smooth.batch_size, worse, smooth.missed, smooth.seed))
        assert bent.curve.spread > 3 * fitted(smooth).curve.spread
        assert np.isfinite([bent.low, bent.curve.critical, bent.high]).all()

    def test_few_batch_sizes_are_not_fitted(self) -> None:
        data = runs(60)
        assert critical.fit(data.take(np.flatnonzero(data.batch_size <= 8)), 0) is None

    @pytest.mark.slow
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
