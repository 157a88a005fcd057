"""Which rates win."""

import numpy as np
import pandas as pd
import pytest

from makers.grid import history, lanes
from pipeline.selection import targets, winners


def by_rate(lanes_of: pd.DataFrame, curves: pd.DataFrame, target: float) -> pd.DataFrame:
    """What the screening found of a validation score."""
    return winners.by_rate(
        lanes_of, targets.curves(lanes_of, curves, "val_score"), "val_score", target
    )


class TestSelection:
    @pytest.fixture
    def rates(self) -> pd.DataFrame:
        curves = {
            (4, 0.01, 0): [0.1, 0.2, 0.5, 0.95],
            (4, 0.1, 0): [0.1, 0.9, 0.9, 0.9],
            (4, 1.0, 0): [0.1],
        }
        table = lanes((4, 0.01, 0, 0.95), (4, 0.1, 0, 0.9), (4, 1.0, 0, np.nan))
        return by_rate(table, history(curves), 0.85)

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
        first = winners.winners(by_rate(table, curves, 0.8))
        mixed = by_rate(
            table.sample(frac=1, random_state=1), curves.sample(frac=1, random_state=2), 0.8
        )
        pd.testing.assert_frame_equal(first, winners.winners(mixed))
        ties = first[first["criterion"] != "next_fastest"]
        assert set(ties["lr"]) == {0.1}  # a tie goes to the smaller rate

    def test_a_pack_that_misses_the_target_has_no_fastest_rate(self) -> None:
        rates = by_rate(lanes((4, 0.1, 0, 0.5)), history({(4, 0.1, 0): [0, 0.1, 0.2, 0.5]}), 0.9)
        assert winners.winners(rates)["criterion"].tolist() == ["best_score"]

    def test_when_everything_diverges_there_are_no_winners(self) -> None:
        empty = history({})
        rates = by_rate(lanes((4, 0.1, 0, np.nan)), empty, 0.9)
        assert winners.winners(rates).empty


class TestSettled:
    SELECTION = pd.DataFrame(
        {"variant": "v", "batch_size": [4, 4, 4], "lr": [0.1, 0.2, 0.3],
         "criterion": ["fastest", "next_fastest", "best_score"]}
    )  # fmt: skip

    def fastest(self, *rows: tuple[float, int, float, bool]) -> float:
        columns = ["lr", "seed", "steps", "missed"]
        arrived = pd.DataFrame(rows, columns=columns).assign(variant="v", batch_size=4)
        found = winners.settled(self.SELECTION, arrived).set_index("criterion")["lr"]
        assert found["best_score"] == 0.3
        assert {found["fastest"], found["next_fastest"]} == {0.1, 0.2}
        return float(found["fastest"])

    def test_fresh_seeds_decide_between_the_two_fastest(self) -> None:
        assert self.fastest((0.1, 1, 90, False), (0.2, 1, 80, False)) == 0.2
        assert self.fastest((0.1, 1, 80, False), (0.2, 1, 90, False)) == 0.1

    def test_a_miss_costs_its_budget(self) -> None:
        fast_but_lost = [(0.2, 1, 50, False), (0.2, 2, 300, True)]
        assert self.fastest((0.1, 1, 90, False), (0.1, 2, 95, False), *fast_but_lost) == 0.1

    def test_a_rate_that_never_arrives_is_not_the_fastest(self) -> None:
        assert self.fastest((0.1, 1, 300, True), (0.2, 1, 250, False)) == 0.2
