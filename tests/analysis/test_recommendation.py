"""The recommendation on tables with known answers."""

import pandas as pd

from pipeline.analysis.critical import Critical, Curve
from pipeline.analysis.lines import Affine
from pipeline.analysis.recommendation import is_not_worse, recommend, rivals
from pipeline.params.protocol import Limits
from pipeline.selection import statistics
from pipeline.selection.winners import main_rates


def row(**values: float) -> dict[str, object]:
    """A row of the tradeoff."""
    base = {
        "variant": "baseline",
        "batch_size": 4,
        "seconds_to_target": 1.0,
        "reached": 5,
        "passes_agree": True,
        "seconds_per_step": 0.01,
    }
    base |= {"seeds": 5, "peak_bytes": 2**30, "test_score": 0.9, "regret": 0.0}
    return base | {"score_difference_low": -0.004, "score_difference_high": 0.002} | values


def choice(table: pd.DataFrame, **limits: float) -> int | None:
    best = recommend(table, Limits(**limits)).best
    return None if best is None else int(best["batch_size"])


class TestRecommend:
    def test_the_least_regret_within_the_limits(self) -> None:
        table = pd.DataFrame(
            [
                row(batch_size=4, seconds_to_target=3.0, regret=5.0, peak_bytes=2**29),
                row(batch_size=8, seconds_to_target=1.0, regret=1.0),
                row(batch_size=16, seconds_to_target=0.5, regret=0.02, test_score=0.7),
                row(batch_size=32, seconds_to_target=0.1, regret=0.1, reached=2),
                row(batch_size=64, seconds_to_target=float("nan"), regret=float("nan")),
            ]
        )
        assert choice(table) == 16
        assert choice(table, score=0.8) == 8
        assert choice(table, score=0.8, memory_gb=0.5) == 4
        assert choice(table, score=0.8, memory_gb=0.5, seconds=2.0) is None
        assert "limits.seconds" in recommend(table, Limits(seconds=0.01)).reason
        runner_up = recommend(table, Limits()).runner_up
        assert runner_up is not None
        assert runner_up["batch_size"] == 8

    def test_a_seed_that_missed_does_not_cost_the_row(self) -> None:
        table = pd.DataFrame([row(batch_size=4, regret=0.5), row(batch_size=8, reached=4)])
        assert choice(table) == 8

    def test_of_equals_the_one_that_takes_less_memory(self) -> None:
        table = pd.DataFrame(
            [
                row(batch_size=64, regret=0.100, peak_bytes=2000),
                row(batch_size=32, regret=0.105, peak_bytes=1000),
                row(batch_size=16, regret=0.120, peak_bytes=10),
            ]
        )
        assert choice(table) == 32

    def test_a_score_is_refused_only_where_it_is_shown_to_be_worse(self) -> None:
        known = row(batch_size=8, score_difference_low=-0.05, score_difference_high=-0.02)
        unknown = known | {"score_difference_high": -0.005}
        slower = row(batch_size=4, seconds_to_target=3.0, regret=2.0)
        refused = recommend(pd.DataFrame([slower, known]), Limits())
        assert refused.best is not None
        assert refused.passed_over is not None
        assert (refused.best["batch_size"], refused.passed_over["batch_size"]) == (4, 8)
        assert choice(pd.DataFrame([slower, known]), score_margin=0.05) == 8
        allowed = recommend(pd.DataFrame([slower, unknown]), Limits())
        assert allowed.best is not None
        assert allowed.best["batch_size"] == 8
        assert allowed.passed_over is None

    def test_non_inferiority(self) -> None:
        near, far = (pd.Series({"score_difference_low": low}) for low in (-0.009, -0.011))
        assert is_not_worse(near, Limits(score_margin=0.01))
        assert not is_not_worse(far, Limits(score_margin=0.01))

    def test_the_rules_of_thumb(self) -> None:
        table = pd.DataFrame([row(batch_size=size) for size in (4, 16, 64, 256)])
        curve = Curve(100, 20)
        critical = Critical(curve, 10, 30, "yes", 0.2, 0.1, curve, 0.2, 20, 0)
        estimate = statistics.Estimate(15, 12, 18, 10)
        found = rivals(table, table.iloc[0], critical, Affine(15e-5, 1e-5, estimate))
        choices = [None if r.choice is None else r.choice["batch_size"] for r in found]
        assert choices == [64, 64]
        assert [rival.choice for rival in rivals(table, table.iloc[0], None, None)] == [None, None]


def test_the_main_rate_is_the_fastest_or_else_the_best_scoring() -> None:
    selection = pd.DataFrame(
        [
            ("baseline", 4, "best_score", 0.2),
            ("baseline", 4, "fastest", 0.1),
            ("baseline", 8, "best_score", 0.3),
        ],
        columns=["variant", "batch_size", "criterion", "lr"],
    )
    assert main_rates(selection)["lr"].tolist() == [0.1, 0.3]
