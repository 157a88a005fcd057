"""How the best rate moves with the batch size, where that is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from makers.curves import SIZES, window_table
from makers.study import study_of
from pipeline.analysis import rates
from pipeline.analysis.claims import training
from pipeline.params.settings import Settings


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
            study = study_of(windows=noisy, settings={"baseline": Settings()})
            verdicts.append(training.scaling_rule(study).verdict)
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
