"""Slopes and affine laws."""

import numpy as np
import pandas as pd
import pytest

from makers.timings import SIZES
from pipeline.analysis import lines


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
