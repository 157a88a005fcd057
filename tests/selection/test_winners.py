"""Which rates win."""

import numpy as np
import pandas as pd
import pytest

from makers.grid import history, lanes
from pipeline.selection import winners


class TestSelection:
    @pytest.fixture
    def rates(self) -> pd.DataFrame:
        curves = {
            (4, 0.01, 0): [0.1, 0.2, 0.5, 0.95],
            (4, 0.1, 0): [0.1, 0.9, 0.9, 0.9],
            (4, 1.0, 0): [0.1],
        }
        table = lanes((4, 0.01, 0, 0.95), (4, 0.1, 0, 0.9), (4, 1.0, 0, np.nan))
        return winners.by_rate(table, history(curves), "val_score", 0.85)

    def test_speed_and_score_can_differ(self, rates: pd.DataFrame) -> None:
        chosen = winners.winners(rates).set_index("criterion")
        assert chosen.loc["fastest", "lr"] == 0.1
        assert chosen.loc["best_score", "lr"] == 0.01
        assert not chosen.loc["fastest", "at_edge"]
        assert chosen.loc["best_score", "at_edge"]

    def test_a_diverged_cell_counts_and_never_wins(self, rates: pd.DataFrame) -> None:
        lost = rates.set_index("lr").loc[1.0]
        assert (lost["diverged"], lost["reached"]) == (1, 0)
        assert lost["median_best"] == -np.inf

    def test_the_order_of_rows_does_not_matter(self) -> None:
        table = lanes(*[(b, lr, s, 0.9) for b in (4, 8) for lr in (0.1, 1.0) for s in (0, 1)])
        curves = history(
            {(b, lr, s): [0, 0.5, 0.9, 0.9] for b in (4, 8) for lr in (0.1, 1.0) for s in (0, 1)}
        )
        first = winners.winners(winners.by_rate(table, curves, "val_score", 0.8))
        mixed = winners.by_rate(
            table.sample(frac=1, random_state=1), curves.sample(frac=1, random_state=2),
            "val_score", 0.8,
        )  # fmt: skip
        pd.testing.assert_frame_equal(first, winners.winners(mixed))
        assert set(first["lr"]) == {0.1}  # a tie goes to the smaller rate

    def test_a_pack_that_misses_the_target_has_no_fastest_rate(self) -> None:
        rates = winners.by_rate(
            lanes((4, 0.1, 0, 0.5)), history({(4, 0.1, 0): [0, 0.1, 0.2, 0.5]}), "val_score", 0.9
        )
        assert winners.winners(rates)["criterion"].tolist() == ["best_score"]

    def test_when_everything_diverges_there_are_no_winners(self) -> None:
        empty = history({})
        rates = winners.by_rate(lanes((4, 0.1, 0, np.nan)), empty, "val_score", 0.9)
        assert winners.winners(rates).empty
