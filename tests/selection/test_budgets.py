"""Batch sizes under three budgets."""

import pandas as pd
import pytest

from pipeline.selection import budgets


def history() -> pd.DataFrame:
    """Small batches learn more in an epoch, large ones more in a step; rate 1 loses a seed."""
    rows = []
    for size, steps in ((10, 100), (100, 30)):
        for lr, bonus in ((0.1, 0.0), (0.5, 0.1), (1.0, 0.5)):
            for seed in (0, 1):
                if lr == 1.0 and seed == 1 and size == 10:
                    continue
                for step in range(1, steps + 1):
                    score = 0.01 * step * (3 if size == 100 else 1) + bonus + 0.01 * seed
                    rows.append(("baseline", size, lr, seed, step, step * size / 100, score))
    names = ["variant", "batch_size", "lr", "seed", "step", "epoch", "val_score"]
    return pd.DataFrame(rows, columns=names)


def test_every_budget_has_its_answer() -> None:
    found = budgets.compare(history()).set_index(["budget", "batch_size"])
    assert found.loc[("equal steps", 10), "val_score"] == pytest.approx(0.3 + 0.1 + 0.005)
    assert found.loc[("equal steps", 100), "val_score"] == pytest.approx(0.9 + 0.5 + 0.005)
    assert found.loc[("equal epochs", 10), "val_score"] == pytest.approx(1.0 + 0.1 + 0.005)
    assert found.loc[("equal epochs", 100), "val_score"] == pytest.approx(0.3 + 0.5 + 0.005)
    assert found.loc[("whole budget", 100), "limit"] == float("inf")
    assert found.loc[("whole budget", 10), "lr"] == 0.5


def test_nothing_survived() -> None:
    empty = history()[lambda table: (table["lr"] == 1.0) & (table["batch_size"] == 10)]
    both = pd.concat([empty, empty.assign(lr=0.5, seed=1)])
    assert budgets.compare(both).empty


def falling(losses: dict[int, list[float]], seeds: int = 3) -> pd.DataFrame:
    """Training losses at steps 10, 20, 40 ... of each batch size, at rate 0.1."""
    rows = [
        ("baseline", size, 0.1, seed, 10 * 2**place, loss * (1 + 0.01 * seed))
        for size, curve in losses.items()
        for place, loss in enumerate(curve)
        for seed in range(seeds)
    ]
    names = ["variant", "batch_size", "lr", "seed", "step", "train_loss"]
    return pd.DataFrame(rows, columns=names)


def same_rate(sizes: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"variant": "baseline", "batch_size": sizes, "lr": 0.1, "criterion": "same_rate"}
    )


class TestEqualLoss:
    def test_all_come_down_to_what_the_slowest_reaches(self) -> None:
        table = falling({4: [1.0, 0.4, 0.1, 0.01], 64: [2.0, 1.0, 0.5, 0.4]})
        steps = budgets.equal_loss(table, same_rate([4, 64]))
        assert steps == {("baseline", 4): 15, ("baseline", 64): 60}

    def test_a_loss_between_two_evaluations_is_interpolated(self) -> None:
        table = falling({4: [1.0, 0.25, 0.1], 64: [2.0, 1.0, 0.5]})
        steps = budgets.equal_loss(table, same_rate([4, 64]))
        assert steps["baseline", 4] == round((5 * 15) ** 0.5)

    def test_a_size_that_lost_a_seed_is_left_out(self) -> None:
        table = falling({4: [1.0, 0.5], 8: [1.0, 0.5], 64: [2.0, 0.9]})
        gone = (table["batch_size"] == 64) & (table["seed"] == 0)
        steps = budgets.equal_loss(
            pd.concat([table[~gone], table[gone].assign(lr=0.5)]), same_rate([4, 8, 64])
        )
        assert set(steps) == {("baseline", 4), ("baseline", 8)}

    def test_without_a_shared_rate_there_is_none(self) -> None:
        assert budgets.equal_loss(falling({4: [1.0]}), same_rate([])) == {}


def test_rates_that_one_batch_size_alone_tried_are_not_shared() -> None:
    """The trap: rates between those of the grid are each batch size's own."""
    extra = history()[lambda table: table["batch_size"] == 10].assign(lr=0.3)
    shared = budgets.of_shared_rates(pd.concat([history(), extra]))
    assert set(shared["lr"]) == {0.1, 0.5, 1.0}
