"""Means, intervals and tests on paper, and whether intervals cover what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.selection import statistics


class TestMeans:
    def test_t_interval_on_paper(self) -> None:
        found = statistics.mean([1.0, 2.0, 3.0])
        half = 4.302652729911275 / np.sqrt(3)  # t(0.975, 2), standard deviation 1
        assert (found.low, found.value, found.high) == pytest.approx((2 - half, 2, 2 + half))

    def test_one_value_has_no_interval(self) -> None:
        found = statistics.mean([5.0])
        assert (found.value, found.n) == (5.0, 1)
        assert np.isnan([found.low, found.high]).all()
        assert statistics.mean([]).n == 0

    def test_times_are_averaged_as_ratios(self) -> None:
        assert statistics.geometric_mean([1.0, 100.0]).value == pytest.approx(10)

    @pytest.mark.slow
    def test_the_interval_covers_what_it_says(self) -> None:
        draws = np.random.default_rng(0).normal(3.0, 2.0, (4000, 5))
        found = [statistics.mean(list(row)) for row in draws]
        covered = np.mean([estimate.low <= 3.0 <= estimate.high for estimate in found])
        assert 0.94 <= covered <= 0.96


class TestTests:
    def test_holm_on_paper(self) -> None:
        found = statistics.holm(np.array([0.01, 0.04, 0.03, np.nan]))
        np.testing.assert_allclose(found, [0.03, 0.06, 0.06, np.nan])

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
    def test_holm_is_no_smaller_and_keeps_the_order(self, p: list[float]) -> None:
        raw = np.array(p)
        found = statistics.holm(raw)
        assert (found >= raw).all()
        assert (found <= 1).all()
        assert (np.diff(found[np.argsort(raw, kind="stable")]) >= 0).all()

    def test_one_sided_p(self) -> None:
        values = [-1.0, -2.0, -3.0]
        assert statistics.p_below(values, 0) == pytest.approx(0.0370909, rel=1e-4)  # t(2) = -3.46
        assert statistics.p_below([-1.0, -1.0], 0) == 0
        assert statistics.p_below([0.0, 0.0], 0) == 1
        assert np.isnan(statistics.p_below([1.0], 0))
