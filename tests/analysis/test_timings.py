"""Aligned batch sizes against their neighbours."""

import numpy as np
import pytest

from makers.timings import SIZES, timings_of
from pipeline.analysis import timings


class TestAlignment:
    def test_a_known_advantage_is_measured(self) -> None:
        seconds = 1e-4 + 1e-6 * SIZES
        seconds[SIZES % 32 == 0] /= 1.25
        pairs = timings.alignment(timings_of(seconds))
        aligned = pairs[pairs["batch_size"] >= 32]
        assert aligned["speed_up"].to_numpy() == pytest.approx(1.25, rel=0.001)
        assert set(pairs["kind"]) == {"powers of two", "multiples of 32"}
        assert set(pairs.loc[pairs["kind"] == "multiples of 32", "batch_size"] % 32) == {0}

    def test_a_smooth_machine_has_none(self) -> None:
        pairs = timings.alignment(timings_of(1e-4 + 1e-6 * SIZES))
        assert pairs["speed_up"].to_numpy() == pytest.approx(1, abs=0.01)

    def test_a_size_without_neighbours_is_left_out(self) -> None:
        assert timings.alignment(timings_of(np.ones(4), np.array([7.0, 8, 16, 17]))).empty
