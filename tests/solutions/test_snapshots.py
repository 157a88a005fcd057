"""Which weights along a training are kept."""

import numpy as np
import pandas as pd
import pytest

from makers.packs import SCHEDULES, make_pack
from pipeline.params.schedule import Budget
from pipeline.solutions import snapshots
from pipeline.training.pack import Pack

LIMITS = {"equal epochs": ("epoch", 1.0), "equal steps": ("step", 20.0)}


def chosen(expected: float) -> pd.DataFrame:
    """The fastest rate of the pack, expected at the target after so many steps."""
    return pd.DataFrame(
        [("fastest", 0.03, expected)], columns=["criterion", "lr", "response_steps"]
    )


def branch_steps(pack: Pack, expected: float, is_trunk: bool = True) -> list[int]:
    """The steps at which larger batches will branch off."""
    table = snapshots.wanted(pack, chosen(expected), LIMITS, None, is_trunk)
    rows = table[table["moment"] == snapshots.BRANCH]
    assert len(rows) == 3 * rows["step"].nunique()  # every seed of the fastest rate
    assert set(rows["step"]) <= set(pack.evaluation_steps)
    return sorted(set(rows["step"]))


@pytest.mark.parametrize("expected", [40.0, 1e6, np.inf, np.nan])
def test_branches_leave_a_training_on_its_way_to_the_target(expected: float) -> None:
    pack = make_pack(budget=Budget(40, 16, 20))
    steps = branch_steps(pack, expected)
    assert len(steps) >= 3
    assert steps[-1] <= (40 if expected == 40 else pack.steps)
    assert branch_steps(pack, expected, is_trunk=False) == []


def test_where_the_batch_grows_they_leave_while_it_is_the_first() -> None:
    pack = make_pack(budget=Budget(40, 16, 20), schedule=SCHEDULES["growth"])
    assert branch_steps(pack, np.inf)[-1] <= pack.phases[0].end < pack.steps
