"""Test scores compared between batch sizes."""

import numpy as np
import pytest

from makers.outcomes import SIZES, compared, scores
from pipeline.analysis import generalisation
from pipeline.analysis.generalisation import COMPARISONS
from pipeline.selection import statistics


class TestGeneralisation:
    def test_a_known_difference(self) -> None:
        table = compared(0.02)
        last = table[table["batch_size"] == 256]
        assert set(last["verdict"]) == {"worse"}
        np.testing.assert_allclose(last["difference"], -0.06, atol=0.001)
        assert (last["difference_low"] < -0.06).all()
        assert (last["seeds"] == 5).all()
        assert set(table.loc[table["batch_size"] == 4, "verdict"]) == {""}

    def test_no_difference_is_shown_only_within_the_margin(self) -> None:
        assert set(compared(0.0)["verdict"]) == {"", "equivalent"}
        assert set(compared(0.0, margin=0.0001)["verdict"]) == {"", "unclear"}

    def test_a_better_one_is_said_to_be(self) -> None:
        assert set(compared(-0.02)["verdict"]) == {"", "better"}

    def test_one_batch_size_has_nothing_to_compare(self) -> None:
        evaluation, selection = scores(dict.fromkeys(COMPARISONS, 0.1))
        alone = evaluation[evaluation["batch_size"] == 4]
        assert set(generalisation.compare(alone, selection, 0.01)["verdict"]) == {""}

    def test_a_missing_seed_leaves_its_pair_out(self) -> None:
        evaluation, selection = scores(dict.fromkeys(COMPARISONS, 0.02))
        gone = (evaluation["batch_size"] == 256) & (evaluation["seed"] == 1000)
        table = generalisation.compare(evaluation[~gone], selection, 0.01)
        assert set(table.loc[table["batch_size"] == 256, "seeds"]) == {4}


def errors(
    effect: float, seed: int, error: float = 0.05, examples: int = 400
) -> dict[int, np.ndarray]:
    """Misses of five seeds on the same examples, of which some are hard for all; the error of the
    largest batch size is ``effect`` times that of the smallest, along a line in logarithms."""
    rng = np.random.default_rng(seed)
    hardness = rng.gamma(0.5, 2.0, examples)
    shift = np.exp(rng.normal(0, 0.1, 5))[:, None]
    tables = {}
    for place, size in enumerate(SIZES):
        mean = error * effect ** (place / (len(SIZES) - 1))
        chance = np.clip(mean * shift * hardness, 0, 1)
        tables[size] = (rng.random((5, examples)) < chance).astype(float)
    return tables


class TestTrend:
    def test_a_known_ratio(self) -> None:
        trend = generalisation.trend(errors(2.0, 0, examples=20_000))
        assert (trend.smallest, trend.largest) == (SIZES[0], SIZES[-1])
        assert trend.ratio.value == pytest.approx(2.0, rel=0.1)
        assert trend.error == pytest.approx(0.05, rel=0.2)

    @pytest.mark.parametrize("effect", [1.0, 2.0])
    def test_its_interval_covers(self, effect: float) -> None:
        """And so no effect is called one in at most 5 of 100 studies."""
        found = [generalisation.trend(errors(effect, seed)).ratio for seed in range(500)]
        assert 0.93 <= np.mean([one.low <= effect <= one.high for one in found]) <= 0.98

    def test_a_doubled_error_is_mostly_found(self) -> None:
        found = [generalisation.trend(errors(2.0, seed)).ratio.low > 1 for seed in range(200)]
        assert np.mean(found) > 0.8

    def test_seeds_alone_would_claim_too_much(self) -> None:
        """The trap: five seeds on the same few examples agree with each other by more than with
        other examples."""
        truth, inside = 1.0, []
        for seed in range(200):
            tables = errors(truth, seed, examples=100)
            logs = np.log(np.maximum([tables[b].mean(1) for b in (SIZES[0], SIZES[-1])], 0.005))
            mean = statistics.mean((logs[1] - logs[0]).tolist())
            inside.append(mean.low <= np.log(truth) <= mean.high)
        ours = [generalisation.trend(errors(truth, s, examples=100)).ratio for s in range(200)]
        covered = np.mean([one.low <= truth <= one.high for one in ours])
        assert covered >= 0.93
        assert covered > np.mean(inside)

    def test_no_error_at_all_is_half_a_one(self) -> None:
        ratio = generalisation.trend({4: np.zeros((3, 50)), 8: np.zeros((3, 50))}).ratio
        assert ratio.value == pytest.approx(1)
