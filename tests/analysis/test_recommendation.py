"""The tradeoff and the recommendation on tables with known answers."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import tradeoff
from pipeline.analysis.critical import Critical, Curve
from pipeline.analysis.lines import Bend
from pipeline.analysis.recommendation import is_not_worse, lead, recommend, rivals, sensitivity
from pipeline.params.protocol import Limits
from pipeline.selection import statistics
from pipeline.selection.targets import PACK
from pipeline.selection.winners import main_rates


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
