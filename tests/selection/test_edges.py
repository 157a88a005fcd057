"""Rates are added where the best one lies at an end of the grid."""

import numpy as np
import pandas as pd
import pytest

from pipeline.selection import edges

BUDGET = 100


def pack(
    losses: dict[float, tuple[float, float]], seeds: int = 3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation losses (at a tenth, at the end) by rate; NaN is a divergence."""
    lanes, history = [], []
    for lr, (early, late) in losses.items():
        for seed in range(seeds):
            status = "diverged" if np.isnan(late) else "finished"
            lanes.append({"lr": lr, "seed": seed, "status": status})
            for step, loss in ((1, 2.0), (BUDGET // 10, early), (BUDGET, late)):
                if not np.isnan(loss):
                    row = {"lr": lr, "seed": seed, "step": step, "val_loss": loss + 0.001 * seed}
                    history.append(row)
    return pd.DataFrame(lanes), pd.DataFrame(history)


def rates_to_add(lanes: pd.DataFrame, history: pd.DataFrame) -> list[float]:
    """What is added at the ends, by the best rates of the losses."""
    return edges.rates_to_add(lanes, edges.best_rates(lanes, history, BUDGET, edges.MOMENTS))


def rates_between(lanes: pd.DataFrame, history: pd.DataFrame) -> list[float]:
    """What is added in between."""
    return edges.rates_between(lanes, edges.best_rates(lanes, history, BUDGET, edges.MIDDLE))


@pytest.mark.parametrize(
    ("losses", "added"),
    [
        ({0.1: (0.5, 0.5), 1.0: (0.3, 0.2), 10.0: (0.9, 0.9)}, []),
        ({0.1: (0.5, 0.1), 1.0: (0.3, 0.2), 10.0: (0.9, 0.9)}, [0.03162]),
        ({0.1: (0.5, 0.5), 1.0: (0.3, 0.2), 10.0: (0.2, 0.9)}, [31.62]),
        ({0.1: (0.5, 0.1), 1.0: (0.3, 0.2), 10.0: (0.2, 0.9)}, [0.03162, 31.62]),
        ({0.1: (0.5, 0.5), 1.0: (0.3, 0.2), 10.0: (np.nan, np.nan)}, [3.162]),
        ({0.1: (0.5, 0.5), 1.0: (0.3, 0.2), 1.9: (np.nan, np.nan)}, []),
        ({0.1: (0.3, 0.5), 1.0: (0.5, 0.2), 3.0: (0.6, 0.9), 10.0: (np.nan, np.nan)}, [0.03162]),
        ({1.0: (np.nan, np.nan), 10.0: (np.nan, np.nan)}, [0.3162]),
        ({0.1: (0.5, 0.5)}, []),
        ({0.1: (0.5, 0.5), 1.0: (0.5, 0.5)}, [0.03162]),
    ],
)
def test_what_is_added(losses: dict[float, tuple[float, float]], added: list[float]) -> None:
    lanes, history = pack(losses)
    if history.empty:
        history = pd.DataFrame({"lr": [1.0], "seed": [0], "step": [1], "val_loss": [2.0]})
    assert rates_to_add(lanes, history) == added


def test_the_order_of_rows_does_not_matter() -> None:
    lanes, history = pack({0.1: (0.5, 0.1), 1.0: (0.3, 0.2), 10.0: (0.2, 0.9)})
    mixed = history.sample(frac=1, random_state=0), lanes.sample(frac=1, random_state=1)
    assert rates_to_add(mixed[1], mixed[0]) == rates_to_add(lanes, history)


def test_one_diverged_seed_of_three_does_not_rule_a_rate_out() -> None:
    lanes, history = pack({0.1: (0.5, 0.5), 1.0: (0.2, 0.2)})
    lanes.loc[(lanes["lr"] == 1.0) & (lanes["seed"] == 0), "status"] = "diverged"
    assert rates_to_add(lanes, history) == [3.162]


@pytest.mark.parametrize(
    ("losses", "between"),
    [
        ({0.1: (0.5, 0.5), 1.0: (0.3, 0.2), 10.0: (0.9, 0.9)}, [0.3162, 3.162]),
        ({0.1: (0.2, 0.5), 1.0: (0.3, 0.2), 10.0: (0.9, 0.9)}, [0.3162]),
        ({0.1: (0.5, 0.5), 1.0: (0.3, 0.2), 10.0: (np.nan, np.nan)}, [0.3162, 3.162]),
        ({0.1: (0.5, 0.5), 0.13: (0.3, 0.2), 0.17: (0.9, 0.9)}, []),
        ({0.1: (0.5, 0.5)}, []),
        ({0.1: (np.nan, np.nan), 1.0: (np.nan, np.nan)}, []),
    ],
)
def test_rates_between_the_best_and_its_neighbours(
    losses: dict[float, tuple[float, float]], between: list[float]
) -> None:
    lanes, history = pack(losses)
    if history.empty:
        history = pd.DataFrame({"lr": [1.0], "seed": [0], "step": [1], "val_loss": [2.0]})
    assert rates_between(lanes, history) == between


def test_a_rate_that_the_grid_has_is_written_as_there() -> None:
    assert edges.of_grid(0.09999, [0.03162, 0.1, 0.3162]) == 0.1
    assert edges.of_grid(0.1778, [0.03162, 0.1, 0.3162]) == 0.1778


def test_a_stopped_training_counts_as_far_as_it_went() -> None:
    lanes, history = pack({0.1: (0.5, 0.1), 1.0: (0.3, 0.2), 10.0: (0.2, 0.9)})
    expected = rates_to_add(lanes, history)
    assert rates_to_add(lanes.assign(status="stopped"), history) == expected
