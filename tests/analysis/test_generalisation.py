"""Test scores compared between batch sizes."""

import numpy as np

from makers.outcomes import compared, scores
from pipeline.analysis import generalisation
from pipeline.analysis.generalisation import COMPARISONS


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
