"""Targets, selection, tradeoff and recommendation on tables with known answers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis import selection, statistics, targets, tradeoff
from pipeline.analysis.critical import Critical, Curve
from pipeline.analysis.lines import Bend
from pipeline.analysis.recommendation import is_not_worse, lead, recommend, rivals, sensitivity
from pipeline.analysis.selection import main_rates
from pipeline.analysis.targets import PACK
from pipeline.errors import InputError
from pipeline.params import Limits

STEPS = np.array([1, 10, 100, 1000])


def lanes(*rows: tuple[int, float, int, float]) -> pd.DataFrame:
    """(batch size, rate, seed, best score); a NaN score is a diverged cell."""
    table = pd.DataFrame(rows, columns=["batch_size", "lr", "seed", "best_val_score"])
    table.insert(0, "variant", "baseline")
    table["status"] = np.where(table["best_val_score"].isna(), "diverged", "finished")
    table["best_val_loss"] = 1 - table["best_val_score"]
    return table


def history(curves: dict[tuple[int, float, int], Sequence[float]]) -> pd.DataFrame:
    """Scores at STEPS by (batch size, rate, seed)."""
    rows = [
        ("baseline", *key, step, step * key[0], score)
        for key, scores in curves.items()
        for step, score in zip(STEPS, scores, strict=False)
    ]
    columns = ["variant", "batch_size", "lr", "seed", "step", "examples", "val_score"]
    return pd.DataFrame(rows, columns=columns)


class TestStatistics:
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


class TestSelection:
    @pytest.fixture
    def rates(self) -> pd.DataFrame:
        curves = {
            (4, 0.01, 0): [0.1, 0.2, 0.5, 0.95],
            (4, 0.1, 0): [0.1, 0.9, 0.9, 0.9],
            (4, 1.0, 0): [0.1],
        }
        table = lanes((4, 0.01, 0, 0.95), (4, 0.1, 0, 0.9), (4, 1.0, 0, np.nan))
        return selection.by_rate(table, history(curves), "val_score", 0.85)

    def test_speed_and_score_can_differ(self, rates: pd.DataFrame) -> None:
        winners = selection.winners(rates).set_index("criterion")
        assert winners.loc["fastest", "lr"] == 0.1
        assert winners.loc["best_score", "lr"] == 0.01
        assert not winners.loc["fastest", "at_edge"]
        assert winners.loc["best_score", "at_edge"]

    def test_a_diverged_cell_counts_and_never_wins(self, rates: pd.DataFrame) -> None:
        lost = rates.set_index("lr").loc[1.0]
        assert (lost["diverged"], lost["reached"]) == (1, 0)
        assert lost["median_best"] == -np.inf

    def test_the_order_of_rows_does_not_matter(self) -> None:
        table = lanes(*[(b, lr, s, 0.9) for b in (4, 8) for lr in (0.1, 1.0) for s in (0, 1)])
        curves = history(
            {(b, lr, s): [0, 0.5, 0.9, 0.9] for b in (4, 8) for lr in (0.1, 1.0) for s in (0, 1)}
        )
        first = selection.winners(selection.by_rate(table, curves, "val_score", 0.8))
        mixed = selection.by_rate(
            table.sample(frac=1, random_state=1), curves.sample(frac=1, random_state=2),
            "val_score", 0.8,
        )  # fmt: skip
        pd.testing.assert_frame_equal(first, selection.winners(mixed))
        assert set(first["lr"]) == {0.1}  # a tie goes to the smaller rate

    def test_a_pack_that_misses_the_target_has_no_fastest_rate(self) -> None:
        rates = selection.by_rate(
            lanes((4, 0.1, 0, 0.5)), history({(4, 0.1, 0): [0, 0.1, 0.2, 0.5]}), "val_score", 0.9
        )
        assert selection.winners(rates)["criterion"].tolist() == ["best_score"]

    def test_when_everything_diverges_there_are_no_winners(self) -> None:
        empty = history({})
        rates = selection.by_rate(lanes((4, 0.1, 0, np.nan)), empty, "val_score", 0.9)
        assert selection.winners(rates).empty


class TestTradeoff:
    def test_steps_over_seeds(self) -> None:
        everyone = tradeoff.steps_estimate(np.array([10.0, 1000.0]))
        assert everyone.value == pytest.approx(100)
        most = tradeoff.steps_estimate(np.array([10.0, 20.0, np.nan]))
        assert most.value == 20
        assert np.isnan(most.low)
        assert np.isnan(tradeoff.steps_estimate(np.array([10.0, np.nan])).value)

    def row(self, **values: float) -> dict[str, object]:
        base = {"variant": "baseline", "batch_size": 4, "seconds_to_target": 1.0, "reached": 5}
        base |= {"seeds": 5, "peak_bytes": 2**30, "test_score": 0.9, "score_difference": -0.002}
        return base | values

    def test_the_fastest_within_the_limits(self) -> None:
        table = pd.DataFrame(
            [
                self.row(batch_size=4, seconds_to_target=3.0, peak_bytes=2**29),
                self.row(batch_size=8, seconds_to_target=1.0),
                self.row(batch_size=16, seconds_to_target=0.5, test_score=0.7),
                self.row(batch_size=32, seconds_to_target=0.1, reached=4),
                self.row(batch_size=64, seconds_to_target=np.nan),
            ]
        )

        def choice(**limits: float) -> int | None:
            best = recommend(table, Limits(**limits)).best
            return None if best is None else int(best["batch_size"])

        assert choice() == 16
        assert choice(score=0.8) == 8
        assert choice(score=0.8, memory_gb=0.5) == 4
        assert choice(score=0.8, memory_gb=0.5, seconds=2.0) is None
        assert "limits.seconds" in recommend(table, Limits(seconds=0.01)).reason
        runner_up = recommend(table, Limits()).runner_up
        assert runner_up is not None
        assert runner_up["batch_size"] == 8

    def test_stricter_limits_force_other_choices(self) -> None:
        table = pd.DataFrame(
            [
                self.row(batch_size=4, seconds_to_target=3.0, peak_bytes=2**20),
                self.row(batch_size=8, seconds_to_target=1.0, test_score=0.8),
                self.row(batch_size=16, seconds_to_target=2.0),
            ]
        )
        best = recommend(table, Limits()).best
        assert best is not None
        found = sensitivity(table, Limits(), best)
        left = {
            one.limit: None if one.choice is None else one.choice["batch_size"] for one in found
        }
        assert left == {"seconds": None, "memory_gb": 4, "score": 16}

    def test_a_score_that_may_be_worse_is_refused(self) -> None:
        table = pd.DataFrame(
            [
                self.row(batch_size=4, seconds_to_target=3.0),
                self.row(batch_size=8, seconds_to_target=1.0, score_difference=-0.02),
            ]
        )
        best = recommend(table, Limits()).best
        assert best is not None
        assert best["batch_size"] == 4
        best = recommend(table, Limits(score_margin=0.05)).best
        assert best is not None
        assert best["batch_size"] == 8

    def test_scores_are_compared_by_seed_with_the_best_of_all(self) -> None:
        selection = pd.DataFrame(
            [
                ("baseline", 4, "fastest", 0.1),
                ("baseline", 4, "best_score", 0.2),
                ("baseline", 8, "fastest", 0.1),
                ("baseline", 8, "best_score", 0.1),
            ],
            columns=["variant", "batch_size", "criterion", "lr"],
        )
        scores = {(4, 0.1): [0.8, 0.7], (4, 0.2): [0.9, 0.82], (8, 0.1): [0.85, 0.85]}
        evaluation = pd.DataFrame(
            [
                {"variant": "baseline", "batch_size": b, "lr": lr, "seed": s, "test_score": score}
                for (b, lr), own in scores.items()
                for s, score in enumerate(own)
            ]
        )
        found = tradeoff.score_differences(selection, evaluation)
        assert found["score_difference"].tolist() == pytest.approx([-0.11, -0.01])
        # t(0.975, 1) and the standard errors of -0.1 and -0.12, and of -0.05 and 0.03
        halves = 12.7062047 * np.array([0.01, 0.04])
        low = np.array([-0.11, -0.01]) - halves
        assert found["score_difference_low"].tolist() == pytest.approx(low.tolist())

    def test_the_score_is_that_of_the_rate_that_is_recommended(self) -> None:
        selection = pd.DataFrame(
            [
                ("baseline", 4, "best_score", 0.2),
                ("baseline", 4, "fastest", 0.1),
                ("baseline", 8, "best_score", 0.3),
            ],
            columns=["variant", "batch_size", "criterion", "lr"],
        )
        assert main_rates(selection)["lr"].tolist() == [0.1, 0.3]
        evaluation = pd.DataFrame(
            [("baseline", 4, 0.1, 0.7), ("baseline", 4, 0.2, 0.9), ("baseline", 8, 0.3, 0.8)],
            columns=["variant", "batch_size", "lr", "test_score"],
        ).assign(seed=0, generalisation_gap=0.1)
        found = tradeoff.solutions(selection, evaluation).set_index("batch_size")
        assert found["lr_scored"].to_dict() == {4: 0.1, 8: 0.3}
        assert found["test_score"].to_dict() == {4: 0.7, 8: 0.8}

    def test_the_lead_is_paired_by_seed(self) -> None:
        rows = [
            ("baseline", size, 0.1, seed, steps)
            for size, of_seeds in {4: (100.0, 400.0, 50.0), 8: (50.0, 200.0, np.nan)}.items()
            for seed, steps in enumerate(of_seeds)
        ]
        confirmed = pd.DataFrame(rows, columns=[*PACK, "lr", "seed", "steps_to_target"])
        best, other = (
            pd.Series({"variant": "baseline", "batch_size": size, "lr": 0.1,
                       "steps_to_target": steps, "seconds_to_target": seconds})
            for size, steps, seconds in ((8, 100.0, 1.0), (4, 150.0, 3.0))
        )  # fmt: skip
        found = lead(confirmed, best, other)
        assert found.value == pytest.approx(2 * 2)  # twice the steps, of twice the seconds each
        assert found.low == pytest.approx(found.high)
        assert found.n == 2
        alone = lead(confirmed[confirmed["seed"] == 0], best, other)
        assert alone.value == pytest.approx(3)
        assert np.isnan(alone.low)

    def test_non_inferiority(self) -> None:
        near, far = (pd.Series({"score_difference_low": low}) for low in (-0.009, -0.011))
        assert is_not_worse(near, Limits(score_margin=0.01))
        assert not is_not_worse(far, Limits(score_margin=0.01))

    def test_most_seeds_will_do_where_no_batch_size_has_all(self) -> None:
        table = pd.DataFrame(
            [
                self.row(batch_size=4, seconds_to_target=1.0, reached=4),
                self.row(batch_size=8, seconds_to_target=2.0, reached=3),
                self.row(batch_size=16, seconds_to_target=np.nan, reached=2),
            ]
        )
        best = recommend(table, Limits()).best
        assert best is not None
        assert best["batch_size"] == 4
        assert recommend(table, Limits(seconds=0.5)).best is None

    def test_the_rules_of_thumb(self) -> None:
        table = pd.DataFrame([self.row(batch_size=size) for size in (4, 16, 64, 256)])
        curve = Curve(100, 20, 0.1, 1, 0)
        critical = Critical(curve, 10, 30, 10, 30, "yes", curve, 1, 20, 0)
        estimate = statistics.Estimate(60, 50, 70, 10)
        found = rivals(table, table.iloc[0], critical, Bend(estimate, estimate, estimate))
        choices = [None if r.choice is None else r.choice["batch_size"] for r in found]
        assert choices == [64, 64]
        assert [rival.choice for rival in rivals(table, table.iloc[0], None, None)] == [None, None]
