"""Steps to a target, and the target itself."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makers.grid import STEPS, history, lanes
from pipeline.errors import InputError
from pipeline.selection import targets
from pipeline.selection.targets import Validation


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


def curve(
    size: int, seed: int, top: float, lr: float = 0.1
) -> tuple[tuple[int, float, int], list[float]]:
    """A key and scores that rise to ``top``; steps lie too far apart to be averaged."""
    return (size, lr, seed), [0.1, 0.3, 0.5, top]


def auto(*cells: tuple[int, int, float], metric: str = "val_score", examples: int = 10**9) -> float:
    """The automatic target of (batch size, seed, best score) at one rate."""
    table = lanes(*[(size, 0.1, seed, best) for size, seed, best in cells])
    curves = history(dict(curve(*cell) for cell in cells if not np.isnan(cell[2])))
    curves["val_loss"] = 1 - curves["val_score"]
    smooth = targets.curves(table, curves, metric)
    return targets.auto_target(table, smooth, metric, Validation("classification", examples), 8)


LOOSE = [(4, 0, 0.90), (4, 1, 0.92), (4, 2, 0.94)]
TIGHT = [(8, 0, 0.99), (8, 1, 0.99), (8, 2, 0.99)]


class TestAuto:
    def test_who_gets_less_far_than_the_pilot_sets_it(self) -> None:
        """Its tuned best, less the standard error of a difference."""
        expected = 0.92 - np.sqrt(2) * 0.02 / np.sqrt(3)
        assert auto(*LOOSE, *TIGHT) == pytest.approx(expected)
        assert auto(*LOOSE, *TIGHT, metric="val_loss") == pytest.approx(1 - expected)

    def test_few_validation_examples_ease_it_more(self) -> None:
        error = np.sqrt(2 * 0.92 * 0.08 / 100)
        assert auto(*LOOSE, *TIGHT, examples=100) == pytest.approx(0.92 - error, abs=0.01)

    def test_otherwise_the_pilot_does(self) -> None:
        pilot = [(8, seed, 0.93) for seed in range(3)]
        below = [(4, seed, 0.925) for seed in range(3)]
        expected = 0.93 - np.sqrt(2 * 0.93 * 0.07 / 400)
        assert auto(*below, *pilot, examples=400) == pytest.approx(expected, abs=1 / 400)
        assert auto(*TIGHT, *LOOSE) == auto(*LOOSE, *TIGHT)

    def test_where_the_pilot_diverges_the_largest_left_stands_in(self) -> None:
        assert auto((4, 0, 0.9), (8, 0, np.nan)) == pytest.approx(0.9, abs=1e-4)

    @given(st.integers(20, 5000))
    def test_it_lies_between_two_scores(self, examples: int) -> None:
        share = auto(*LOOSE, examples=examples) * examples
        assert share % 1 == pytest.approx(0.5, abs=1e-6)

    def test_most_seeds_reach_it_even_of_two(self) -> None:
        assert auto((4, 0, 0.90), (4, 1, 0.94)) < 0.90

    def test_a_pack_that_always_diverges_does_not_set_it(self) -> None:
        assert auto((4, 0, np.nan), (8, 0, 0.9)) == pytest.approx(0.9, abs=1e-4)

    def test_when_everything_diverges_it_says_so(self) -> None:
        with pytest.raises(InputError, match=r"target\.value"):
            auto((4, 0, np.nan))


def levels(**by_size: float) -> "pd.Series[float]":
    """What batch sizes reach, b4=0.9 for 4."""
    return pd.Series({int(name[1:]): level for name, level in by_size.items()})


class TestLowered:
    LANES = lanes((4, 0.1, 0, 0.95), (64, 0.1, 0, 0.8))
    MANY = Validation("classification", 10**6)

    def lowered(self, best: float, target: float = 0.8, metric: str = "val_score") -> object:
        """Whether 64 has drawn the target down below what 4 reaches."""
        screened = levels(b4=best, b64=target)
        return targets.lowered(screened, screened, self.LANES, metric, target, self.MANY)

    def test_it_tells_who_drew_it_down_and_from_where(self) -> None:
        assert self.lowered(0.9) == targets.Lowered(64, 4, 0.9)

    def test_alike_batch_sizes_do_not(self) -> None:
        assert self.lowered(0.83) is None
        assert self.lowered(0.85) is not None

    def test_of_a_loss_the_error_is_the_loss(self) -> None:
        assert self.lowered(1.5, target=2.0, metric="val_loss") == targets.Lowered(64, 4, 1.5)
        assert self.lowered(1.7, target=2.0, metric="val_loss") is None

    def test_a_score_that_may_exceed_one_leaves_no_known_error(self) -> None:
        assert self.lowered(30.0, target=20.0) is None

    def test_the_best_is_that_of_whole_trainings(self) -> None:
        screened, fresh = levels(b4=0.7, b64=0.8), levels(b4=0.9, b64=0.8)
        raced = self.LANES.assign(status=["stopped", "finished"])
        found = targets.lowered(screened, fresh, raced, "val_score", 0.8, self.MANY)
        assert found == targets.Lowered(64, 4, 0.9)

    def test_few_validation_examples_do_not_tell(self) -> None:
        few, screened = Validation("classification", 50), levels(b4=0.9, b64=0.85)
        assert targets.lowered(screened, screened, self.LANES, "val_score", 0.85, few) is None
        assert self.lowered(0.9, target=0.85) is not None

    def test_a_smaller_batch_size_that_gets_less_far_has_no_fewer_steps(self) -> None:
        screened = levels(b4=0.8, b64=0.9)
        found = targets.lowered(screened, screened, self.LANES, "val_score", 0.8, self.MANY)
        assert found is None

    def test_the_source_is_whose_level_the_target_is(self) -> None:
        table = lanes((4, 0.1, 0, 0.95), (32, 0.1, 0, 0.795), (64, 0.1, 0, 0.8))
        screened = levels(b4=0.95, b32=0.795, b64=0.8)
        found = targets.lowered(screened, screened, table, "val_score", 0.8, self.MANY)
        assert found == targets.Lowered(64, 4, 0.95)


class TestSmoothing:
    def test_a_window_is_a_mean_over_steps_near_by(self) -> None:
        steps = np.array([1.0, 100, 120, 140, 1000])
        values = np.array([0.0, 1, 0, 1, 0.5])
        assert targets.smoothed(steps, values) == pytest.approx([0, 0.5, 2 / 3, 0.5, 0.5])

    def test_a_straight_line_in_log_steps_stays_one(self) -> None:
        steps = np.geomspace(1, 1000, 300)
        values = np.log(steps)
        inner = slice(20, -20)
        assert targets.smoothed(steps, values)[inner] == pytest.approx(values[inner], abs=0.02)

    @pytest.mark.slow
    def test_how_often_one_looks_hardly_matters(self) -> None:
        """The trap: the first touch of a noisy score comes the earlier the oftener one looks."""
        rng = np.random.default_rng(0)
        found: dict[str, list[float]] = {"touch": [], "window": []}
        for _ in range(60):
            steps = np.unique(np.round(np.geomspace(1, 1000, 400)))
            values = 1 - 3 / np.sqrt(steps) + 0.03 * rng.standard_normal(len(steps))
            for name, smooth in (("touch", lambda _, y: y), ("window", targets.smoothed)):
                dense, coarse = (
                    targets.crossing(steps[::k], smooth(steps[::k], values[::k]), 0.75)
                    for k in (1, 4)
                )
                found[name].append(np.log(coarse / dense))
        assert abs(np.mean(found["window"])) < 0.05
        assert np.mean(found["touch"]) > 0.1

    def test_cells_are_smoothed_apart(self) -> None:
        both = history({(4, 0.1, 0): [0, 0, 0, 0], (4, 0.1, 1): [1, 1, 1, 1]})
        table = lanes((4, 0.1, 0, 0), (4, 0.1, 1, 1))
        found = targets.curves(table, both.sample(frac=1, random_state=0), "val_score")
        assert set(found.loc[found["seed"] == 0, "value"]) == {0.0}
        assert set(found.loc[found["seed"] == 1, "value"]) == {1.0}

    def test_equal_values_have_an_equal_mean(self) -> None:
        steps = np.arange(1.0, 200)
        assert (targets.smoothed(steps, np.full(199, 0.95)) == 0.95).all()


class TestNear:
    @given(st.lists(st.floats(1, 1e5), min_size=1, max_size=3), st.integers(1, 10**5))
    def test_evaluations_are_dense_where_the_target_is_expected(
        self, expected: list[float], last: int
    ) -> None:
        found = targets.evaluations_near(expected, last)
        assert all(1 <= step <= last for step in found)
        assert list(found) == sorted(set(found))
        inside = [s for s in found if s > 30]
        assert all(b / a < 1.08 for a, b in itertools.pairwise(inside))

    def test_none_where_none_is_expected(self) -> None:
        assert targets.evaluations_near([], 100) == ()


class TestArrivals:
    def test_a_miss_and_a_divergence_are_censored_at_the_budget(self) -> None:
        table = lanes((4, 0.1, 0, 0.95), (4, 0.1, 1, 0.5), (4, 0.1, 2, np.nan))
        curves = history(
            {(4, 0.1, 0): [0, 0.9, 0.95, 0.95], (4, 0.1, 1): [0, 0.1, 0.3, 0.5], (4, 0.1, 2): [0.0]}
        )
        smooth = targets.curves(table, curves, "val_score")
        found = targets.arrivals(table.assign(steps=[1000, 1000, 7]), smooth, "val_score", 0.9)
        assert found["missed"].tolist() == [False, True, True]
        assert found["steps"].tolist() == pytest.approx([10, 1000, 1000])
        assert found["examples_to_target"].tolist()[0] == pytest.approx(40)


def test_the_band_goes_from_easy_to_hard() -> None:
    validation = Validation("classification", 400)
    found = targets.band("val_score", 0.9, validation)
    assert found[0] == pytest.approx(0.9 - 2 * 0.015)
    assert found[-1] == pytest.approx(0.9 + 0.015)
    losses = targets.band("val_loss", 0.2, Validation("regression", 200))
    assert losses[0] == pytest.approx(0.2 * 1.2)
    assert (np.diff(losses) < 0).all()


def test_nothing_lies_beyond_rates_that_never_arrive() -> None:
    criteria = ["fastest", "best_score"]
    chosen = pd.DataFrame({"criterion": criteria, "response_steps": [100.0, 900.0]})
    assert targets.far_beyond(chosen) == pytest.approx(4 * 1.3 * 100)
    assert targets.far_beyond(chosen[1:]) == np.inf
