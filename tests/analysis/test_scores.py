"""Test scores over seeds and examples."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.analysis import scores
from pipeline.analysis.scores import Outcomes
from pipeline.selection.keys import WHOLE

STUDIES = 300


def drawn(seed: int, seeds: int = 5, examples: int = 300, share: float = 0.9) -> np.ndarray:
    """Hits of seeds on examples that are hard or easy for all of them, and of seeds that are good
    or bad at all examples."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 1.5, examples) + 0.3 * rng.standard_normal((seeds, 1))
    noise = rng.normal(0, 0.7, (seeds, examples))
    spread = np.sqrt(1.5**2 + 0.3**2 + 0.7**2)
    return (ease + noise < spread * stats.norm.ppf(share)).astype(float)


def outcomes(*tables: np.ndarray, variance: float | None = None) -> Outcomes:
    """Of batch sizes 4, 8, ... at rate 0.1."""
    cells = [("v", 4 * 2**n, 0.1, s) for n, table in enumerate(tables) for s in range(len(table))]
    frame = pd.DataFrame(cells, columns=["variant", "batch_size", "lr", "seed"])
    return Outcomes(frame, np.concatenate(tables), variance)


class TestScore:
    @pytest.mark.slow
    def test_the_interval_holds_for_other_seeds_and_examples(self) -> None:
        found = [outcomes(drawn(seed)).score(("v", 4, 0.1)) for seed in range(STUDIES)]
        covered = np.mean([one.low <= 0.9 <= one.high for one in found])
        assert 0.92 <= covered <= 0.98

    @pytest.mark.slow
    def test_seeds_alone_would_not(self) -> None:
        """The trap: five seeds agree on the same 300 examples."""
        covered = []
        for seed in range(STUDIES):
            means = drawn(seed).mean(1)
            half = 2.776 * means.std(ddof=1) / np.sqrt(5)
            covered.append(abs(means.mean() - 0.9) <= half)
        assert np.mean(covered) < 0.9

    def test_it_stays_a_share(self) -> None:
        for table in (np.ones((3, 20)), np.zeros((3, 20)), np.ones((1, 2))):
            found = outcomes(table).score(("v", 4, 0.1))
            assert 0 <= found.low <= found.value <= found.high <= 1

    def test_no_miss_among_few_examples_is_no_proof(self) -> None:
        found = outcomes(np.ones((5, 36))).score(("v", 4, 0.1))
        assert (found.low, found.high) == (pytest.approx(0.9026, abs=1e-4), 1.0)  # 0.025^(1/36)

    @pytest.mark.slow
    @pytest.mark.parametrize(("share", "examples"), [(0.99, 36), (0.995, 360)])
    def test_it_holds_beside_one(self, share: float, examples: int) -> None:
        drawings = [drawn(seed, examples=examples, share=share) for seed in range(STUDIES)]
        found = [outcomes(table).score(("v", 4, 0.1)) for table in drawings]
        assert np.mean([one.low <= share <= one.high for one in found]) >= 0.93
        assert all(one.low <= one.value <= one.high for one in found)

    def test_an_error_becomes_r_squared(self) -> None:
        errors = np.random.default_rng(0).exponential(0.2, (5, 400))
        found = outcomes(errors, variance=2.0).score(("v", 4, 0.1))
        assert found.value == pytest.approx(1 - errors.mean() / 2)
        assert found.low < found.value < found.high < 1


class TestDifferences:
    SELECTION = pd.DataFrame(
        {"variant": "v", "batch_size": [4, 8, 16, 32], "lr": 0.1, "criterion": "best_score"}
    )

    def found(self, seed: int, drop: float) -> pd.DataFrame:
        """Four batch sizes on the same examples, of which the last is worse by ``drop``."""
        rng = np.random.default_rng(seed)
        ease = rng.normal(0, 1, 360)
        tables = []
        for share in (0.95, 0.95, 0.95, 0.95 - drop):
            noise = rng.normal(0, 0.3, (5, 360))
            tables.append((ease + noise < np.hypot(1, 0.3) * stats.norm.ppf(share)).astype(float))
        return scores.differences(self.SELECTION, outcomes(*tables))

    @pytest.mark.slow
    def test_equal_scores_are_not_refused_for_luck(self) -> None:
        refused = [(self.found(s, 0)["score_difference_high"] < 0).any() for s in range(STUDIES)]
        assert np.mean(refused) <= 0.06

    @pytest.mark.slow
    def test_a_real_drop_is_seen(self) -> None:
        high = [self.found(seed, 0.08)["score_difference_high"].iloc[-1] for seed in range(50)]
        assert np.mean(np.array(high) < -0.01) > 0.9

    def test_the_best_is_compared_with_itself(self) -> None:
        table = self.found(0, 0.1)
        assert table["score_difference"].max() == 0
        assert len(table) == 4


def test_outcomes_find_their_solutions_in_any_order() -> None:
    final = pd.DataFrame(
        [("v", 4, 0.2, 1), ("v", 4, 0.1, 2), ("v", 4, 0.1, 1)],
        columns=["variant", "batch_size", "lr", "seed"],
    )
    ends = pd.concat([final.assign(budget=WHOLE), final[1:].assign(budget="equal steps")])
    known = {"v-4": [[1, 1], [1, 0], [0, 0]], "v-4-equal steps": [[0, 1], [1, 1]]}
    by_name = {name: np.array(hits, np.float32) for name, hits in known.items()}
    steps = scores.outcomes_of(ends, by_name, "equal steps")
    assert steps.errors(("v", 4, 0.1)).loc[1].tolist() == [1, 0]
    assert steps.of(("v", 4, 0.2)).empty
    found = scores.outcomes_of(ends, by_name)
    assert found.of(("v", 4, 0.1)).loc[2].tolist() == [1, 0]
    assert found.of(("v", 4, 0.2)).loc[1].tolist() == [0, 0]
    assert found.variance is None
