"""Steps to a target, and the target itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makers.grid import STEPS, lanes
from pipeline.errors import InputError
from pipeline.selection import targets


class TestTargets:
    def test_interpolates_in_log_steps(self) -> None:
        values = np.array([0.0, 0.5, 1.0, 1.0])
        assert targets.crossing(STEPS, values, 0.75) == pytest.approx(10**1.5)
        assert targets.crossing(STEPS, values, 1.0) == pytest.approx(100)

    def test_edges_of_a_curve(self) -> None:
        values = np.array([0.9, 0.5, 0.95, 1.0])
        assert targets.crossing(STEPS, values, 0.8) == 1
        assert np.isnan(targets.crossing(STEPS, values, 1.1))

    def test_a_curve_that_flickers_around_the_target_counts_its_first_crossing(self) -> None:
        values = np.array([0.0, 0.8, 0.6, 0.8])
        assert targets.crossing(STEPS, values, 0.7) < STEPS[1]

    def test_what_is_not_a_number_reaches_nothing(self) -> None:
        values = np.array([0.0, np.nan, 0.9, 1.0])
        assert targets.crossing(STEPS, values, 0.5) == STEPS[2]
        assert np.isnan(targets.crossing(STEPS, np.full(4, np.nan), 0.1))

    @given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0, 1))
    def test_the_crossing_lies_between_the_evaluations(
        self, values: list[float], target: float
    ) -> None:
        found = targets.crossing(STEPS, np.array(values), target)
        reached = [step for step, value in zip(STEPS, values, strict=True) if value >= target]
        if not reached:
            assert np.isnan(found)
        else:
            before = STEPS[max(0, list(STEPS).index(reached[0]) - 1)]
            assert before * (1 - 1e-12) <= found <= reached[0] * (1 + 1e-12)

    def test_auto_is_the_loosest_tuned_best_less_its_standard_error(self) -> None:
        table = lanes(
            (4, 0.1, 0, 0.90), (4, 0.1, 1, 0.92), (4, 0.1, 2, 0.94), (4, 1.0, 0, 0.5),
            (8, 0.1, 0, 0.99), (8, 0.1, 1, 0.99), (8, 0.1, 2, 0.99),
        )  # fmt: skip
        expected = 0.92 - 0.02 / np.sqrt(3)
        assert targets.auto_target(table, "val_score") == pytest.approx(expected)
        assert targets.auto_target(table, "val_loss") == pytest.approx(1 - expected)

    def test_most_seeds_reach_the_auto_target_even_of_two(self) -> None:
        table = lanes((4, 0.1, 0, 0.90), (4, 0.1, 1, 0.94))
        assert targets.auto_target(table, "val_score") < 0.90

    def test_a_pack_that_always_diverges_does_not_set_the_target(self) -> None:
        table = lanes((4, 0.1, 0, np.nan), (8, 0.1, 0, 0.9))
        assert targets.auto_target(table, "val_score") == pytest.approx(0.9)

    def test_when_everything_diverges_it_says_so(self) -> None:
        with pytest.raises(InputError, match=r"target\.value"):
            targets.auto_target(lanes((4, 0.1, 0, np.nan)), "val_score")
