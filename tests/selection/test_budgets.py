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
