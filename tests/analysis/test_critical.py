"""The critical batch size, fitted to steps that follow a known curve."""

import numpy as np
import pandas as pd
import pytest

from makers.curves import SIZES, fitted, runs
from pipeline.analysis import critical
from pipeline.analysis.critical import Curve, Runs

STUDIES = 160


def only(data: Runs, rows: np.ndarray) -> Runs:
    """Some trainings."""
    return Runs(data.batch_size[rows], data.steps[rows], data.missed[rows], data.seed[rows])


class TestFit:
    @pytest.mark.slow
    @pytest.mark.parametrize("size", [45, 60, 250])
    def test_a_known_truth_is_recovered(self, size: float) -> None:
        found = fitted(runs(size, spread=0.001))
        assert found.curve.critical == pytest.approx(size, rel=0.02)
        assert found.curve.least_steps == pytest.approx(100, rel=0.02)
        assert found.curve.least_examples == pytest.approx(100 * size, rel=0.02)
        assert found.low <= size * 1.02
        assert found.high >= size * 0.98
        assert found.identified == "yes"

    @pytest.mark.slow
    @pytest.mark.parametrize("misfit", [0, 0.12, 0.18, 0.25])
    def test_the_interval_covers_what_it_says(self, misfit: float) -> None:
        """Whether or not batch sizes lie off the curve by more than their seeds explain."""
        found = [fitted(runs(41, 0.27, seed, 1, misfit)) for seed in range(STUDIES)]
        covered = np.mean([one.low <= 41 <= one.high for one in found])
        assert 0.9 <= covered <= 0.985

    @pytest.mark.slow
    @pytest.mark.parametrize("misfit", [0, 0.18])
    def test_few_batch_sizes_and_seeds_are_covered_too(self, misfit: float) -> None:
        few = np.array([8.0, 32, 128, 512])
        found = [fitted(runs(41, 0.27, s, 1, misfit, few, 3)) for s in range(STUDIES)]
        covered = np.mean([one.low <= 41 <= one.high for one in found])
        assert 0.9 <= covered <= 0.985

    @pytest.mark.slow
    def test_a_knee_that_is_sharper_than_the_hyperbola_is_covered(self) -> None:
        found = [fitted(runs(41, 0.27, seed, 2)) for seed in range(STUDIES)]
        covered = np.mean([one.low <= 41 <= one.high for one in found])
        assert 0.9 <= covered <= 0.985

    def test_a_sharper_knee_is_seen(self) -> None:
        found = fitted(runs(60, spread=0.05, sharpness=3))
        assert found.knee_probability > 0.95
        assert found.knee.sharpness == 3
        assert found.knee.critical == pytest.approx(60, rel=0.1)
        assert fitted(runs(60, spread=0.05)).knee_probability < 0.5

    @pytest.mark.slow
    def test_a_misfit_is_measured(self) -> None:
        found = np.mean([fitted(runs(41, 0.2, seed, 1, 0.25)).between for seed in range(50)])
        assert found == pytest.approx(0.25, rel=0.25)
        assert np.mean([fitted(runs(41, 0.2, seed)).between for seed in range(50)]) < 0.05

    def test_censored_seeds_pull_less_than_hits_and_more_than_nothing(self) -> None:
        data = runs(60, spread=0.1)
        lost = (data.batch_size == 1024) & (data.seed < 2)
        budget = np.where(lost, 130.0, data.steps)
        censored = fitted(Runs(data.batch_size, budget, lost, data.seed))
        assert censored.missed == 2
        assert censored.curve.least_steps == pytest.approx(100, rel=0.15)
        as_hits = fitted(Runs(data.batch_size, budget, np.zeros_like(lost), data.seed))
        assert censored.curve.least_steps > as_hits.curve.least_steps * 0.99

    @pytest.mark.parametrize(("size", "where"), [(1e5, "above"), (1.0, "below")])
    def test_what_the_sizes_do_not_bracket_is_not_identified(self, size: float, where: str) -> None:
        found = fitted(runs(size, spread=0.05))
        assert found.identified == where
        assert found.high > 1e4 if where == "above" else found.low < 2

    def test_steps_that_rise_again_widen_the_interval(self) -> None:
        smooth = runs(60, spread=0.05)
        worse = np.where(smooth.batch_size == SIZES[-1], 3 * smooth.steps, smooth.steps)
        bent = fitted(Runs(smooth.batch_size, worse, smooth.missed, smooth.seed))
        assert bent.between > 0.2
        assert bent.high / bent.low > 3 * fitted(smooth).high / fitted(smooth).low / 2

    def test_few_batch_sizes_are_not_fitted(self) -> None:
        data = runs(60)
        assert critical.fit(only(data, np.flatnonzero(data.batch_size <= 8))) is None

    def test_one_seed_each_is_fitted(self) -> None:
        data = runs(60)
        found = fitted(only(data, np.flatnonzero(data.seed == 0)))
        assert found.low < found.curve.critical < found.high

    def test_the_order_of_rows_does_not_matter(self) -> None:
        data = runs(60)
        order = np.random.default_rng(1).permutation(len(data.steps))
        mixed = fitted(only(data, order))
        assert mixed.curve.critical == pytest.approx(fitted(data).curve.critical)
        assert mixed.low == pytest.approx(fitted(data).low)


class TestOverheads:
    """Without a model: which batch sizes need more examples than the thriftiest."""

    def found(self, critical_size: float, seed: int = 0) -> pd.DataFrame:
        table = critical.overheads(runs(critical_size, 0.2, seed).means, 0)
        return table.set_index("batch_size")

    def test_large_batches_are_shown_to_need_more(self) -> None:
        table = self.found(60)
        assert (table.loc[SIZES >= 128, "scaling"] == "beyond").all()
        assert (table.loc[SIZES <= 8, "scaling"] != "beyond").all()

    @pytest.mark.slow
    def test_equal_examples_are_seldom_shown_to_differ(self) -> None:
        wrong = [(self.found(1e9, seed)["scaling"] == "beyond").any() for seed in range(100)]
        assert np.mean(wrong) <= 0.05

    def test_nothing_arrived_is_an_empty_table(self) -> None:
        data = runs(60)
        nobody = Runs(data.batch_size, data.steps, np.ones_like(data.missed), data.seed)
        assert critical.overheads(nobody.means, 0).empty


def test_runs_leave_edges_out() -> None:
    selection = pd.DataFrame(
        {"variant": "v", "batch_size": [4, 8], "lr": [0.1, 0.2], "criterion": "fastest",
         "at_edge": [False, True]}
    )  # fmt: skip
    counted = pd.DataFrame(
        {"variant": "v", "batch_size": [4, 4, 8], "lr": [0.1, 0.1, 0.2], "seed": [1, 2, 1],
         "steps": [50.0, 300.0, 60.0], "missed": [False, True, False]}
    )  # fmt: skip
    found = critical.runs_of(counted, selection, "v")
    assert found.batch_size.tolist() == [4, 4]
    assert found.steps.tolist() == [50, 300]
    assert found.missed.tolist() == [False, True]


def test_the_curve_has_both_limits() -> None:
    for sharpness in (1.0, 3.0):
        curve = Curve(100.0, 32.0, sharpness)
        assert curve.steps(np.array([1e9]))[0] == pytest.approx(100)
        assert curve.steps(np.array([1e-6]))[0] * 1e-6 == pytest.approx(curve.least_examples)
