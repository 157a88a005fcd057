"""What params.yaml may name is what the code implements: no more, no less."""

import math

import pytest
import torch

from makers.packs import OPTIMIZERS as TRIED
from makers.packs import SCHEDULES as TRIED_SCHEDULES
from pipeline.data.preparation import READERS
from pipeline.lanes import rules
from pipeline.lanes.rules import RULES
from pipeline.models.build import NETWORKS
from pipeline.params.data import SOURCES
from pipeline.params.network import MODELS
from pipeline.params.optimizer import OPTIMIZERS
from pipeline.params.schedule import SCHEDULES
from pipeline.training.loop import PLAIN


def test_every_optimizer_has_a_rule_a_reference_and_a_comparison() -> None:
    assert set(RULES) == set(PLAIN) == set(OPTIMIZERS)
    assert {optimizer.name for optimizer in TRIED.values()} == set(OPTIMIZERS)


def test_every_schedule_is_compared_with_the_reference() -> None:
    assert {schedule.name for schedule in TRIED_SCHEDULES.values()} == set(SCHEDULES)


def test_every_model_is_built() -> None:
    assert set(NETWORKS) == set(MODELS)


def test_every_source_is_read() -> None:
    assert set(READERS) | {"table", "text"} == set(SOURCES)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_at_rate_zero_changes_nothing(name: str) -> None:
    optimizer = next(one for one in TRIED.values() if one.name == name)
    weights = {"w": torch.rand(2, 3)}
    before, state = weights["w"].clone(), rules.initial_slots(optimizer, weights)
    now = rules.table(optimizer, torch.zeros(2, dtype=torch.float64), [1.0], 1)[0]
    rules.update(optimizer, weights, {"w": torch.rand(2, 3)}, state, now)
    assert torch.equal(weights["w"], before)
    assert all(math.isfinite(float(slot["w"].sum())) for slot in state.values())
