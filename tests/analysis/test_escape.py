"""Escapes from a double well."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import escape


class TestEscape:
    @pytest.mark.slow
    def test_rates_follow_arrhenius(self) -> None:
        """Kramers 1940: escapes per step go as exp(-barrier / temperature), with the temperature
        rate x variance / (2 batch size) of noisy descent."""
        found = escape.escapes(0)
        some = found[(found["share"] > 0) & (found["share"] < 1)]
        slope = np.polyfit(some["batch_size"], np.log(some["escapes_per_step"]), 1)[0]
        expected = -2 * escape.barrier() / (escape.RATE * escape.SPREAD**2)
        assert slope == pytest.approx(expected, rel=0.15)

    def test_the_wells(self) -> None:
        top, bottom = escape.stationary()
        assert escape.slope(np.array([top, bottom])) == pytest.approx([0, 0], abs=1e-9)
        assert escape.height(np.array(-1.0)) < escape.height(np.array(bottom))

    def test_the_same_seed_gives_the_same_table(self) -> None:
        pd.testing.assert_frame_equal(escape.escapes(3), escape.escapes(3))
