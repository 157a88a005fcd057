"""Slopes and bends."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makers.timings import SIZES, kinked
from pipeline.analysis import lines


class TestSaturation:
    @pytest.mark.parametrize("at", [16, 100, 700])
    def test_a_known_bend_is_found(self, at: float) -> None:
        found = lines.bend(SIZES, SIZES / kinked(SIZES, at))
        assert found is not None
        assert found.at.value == pytest.approx(at, rel=0.02)
        assert found.before.value == pytest.approx(1, abs=0.01)
        assert found.after.value == pytest.approx(0, abs=0.01)

    @pytest.mark.slow
    def test_its_interval_covers_the_truth(self) -> None:
        rng = np.random.default_rng(0)
        hits = 0
        for _ in range(200):
            noisy = kinked(SIZES, 100) * np.exp(0.05 * rng.standard_normal(len(SIZES)))
            found = lines.bend(SIZES, SIZES / noisy)
            assert found is not None
            hits += found.at.low <= 100 <= found.at.high
        assert 0.92 <= hits / 200 <= 0.98

    def test_an_affine_step_time_bends_near_its_knee(self) -> None:
        found = lines.bend(SIZES, SIZES / (1e-4 + 1e-6 * SIZES))
        assert found is not None
        assert 50 <= found.at.value <= 200

    def test_a_straight_line_has_no_bend(self) -> None:
        rng = np.random.default_rng(1)
        straight = np.exp(0.05 * rng.standard_normal(len(SIZES)))
        assert lines.bend(SIZES, SIZES / straight) is None
        assert lines.bend(SIZES[:5], SIZES[:5]) is None

    def test_a_bend_upwards_is_no_saturation(self) -> None:
        assert lines.bend(SIZES, kinked(SIZES, 100)) is None

    @settings(max_examples=20)
    @given(st.randoms())
    def test_the_order_of_rows_does_not_matter(self, random: object) -> None:
        order = list(range(len(SIZES)))
        random.shuffle(order)  # type: ignore[attr-defined]
        rates = SIZES / kinked(SIZES, 100)
        assert lines.bend(SIZES[order], rates[order]) == lines.bend(SIZES, rates)


class TestSlope:
    def test_a_known_exponent(self) -> None:
        found = lines.log_log_slope(SIZES, 3 * SIZES**0.7)
        assert found.value == pytest.approx(0.7)
        assert found.low == pytest.approx(0.7)

    def test_two_points_have_none(self) -> None:
        assert np.isnan(lines.log_log_slope([1, 2], [1, 2]).value)

    def test_its_interval_covers_the_truth(self) -> None:
        rng = np.random.default_rng(2)
        hits = 0
        for _ in range(300):
            found = lines.log_log_slope(SIZES, SIZES * np.exp(rng.standard_normal(len(SIZES))))
            hits += found.low <= 1 <= found.high
        assert 0.92 <= hits / 300 <= 0.98

    def test_two_batch_sizes_are_enough_for_paired_slopes(self) -> None:
        rows = [(seed, size, c * size**0.5) for seed, c in ((0, 1.0), (1, 3.0)) for size in (4, 64)]
        table = pd.DataFrame([*rows, (2, 4, 1.0)], columns=["seed", "x", "y"])
        found = lines.mean_slope(table, "seed", "x", "y")
        assert (found.value, found.n) == (pytest.approx(0.5), 2)


class TestAffine:
    SIZES = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024], float)

    def seconds(self, seed: int, noise: float = 0.03) -> np.ndarray:
        """Overhead 300 us and 1 us an example."""
        rng = np.random.default_rng(seed)
        return (3e-4 + 1e-6 * self.SIZES) * np.exp(noise * rng.standard_normal(len(self.SIZES)))

    def test_both_terms_are_found(self) -> None:
        found = lines.affine(self.SIZES, self.seconds(0, 1e-4))
        assert found is not None
        assert found.start == pytest.approx(3e-4, rel=1e-3)
        assert found.slope == pytest.approx(1e-6, rel=1e-2)
        assert found.saturates(0.8) == pytest.approx(1200, rel=1e-2)

    @pytest.mark.slow
    def test_the_interval_covers_the_truth(self) -> None:
        found = [lines.affine(self.SIZES, self.seconds(seed)) for seed in range(300)]
        held = [one is not None and one.ratio.low <= 300 <= one.ratio.high for one in found]
        assert 0.92 <= np.mean(held) <= 0.98

    def test_one_point_far_off_hardly_matters(self) -> None:
        seconds = self.seconds(1)
        seconds[5] *= 3
        found, clean = lines.affine(self.SIZES, seconds), lines.affine(self.SIZES, self.seconds(1))
        assert found is not None
        assert clean is not None
        assert found.ratio.value == pytest.approx(clean.ratio.value, rel=0.15)

    def test_too_little_says_nothing(self) -> None:
        assert lines.affine([1, 2, 3], [1, 2, 3]) is None
        assert lines.affine(self.SIZES, np.full(11, 1e-3)) is None
