"""Who trains before the race."""

import pytest

from makers.data import dataset
from makers.grid import history, lanes
from pipeline.params.load import Params
from pipeline.params.protocol import BatchSize, Grid, Target
from pipeline.params.schedule import Budget
from pipeline.race.bar import Bar
from pipeline.race.pilot import Tables
from pipeline.stages.pilot import Pilots

TOPS = {8: 0.95, 64: 0.7}
"""The scores that batch sizes come to; 64 examples are all of them, trained for many epochs."""


def before(
    monkeypatch: pytest.MonkeyPatch, variant: str, value: object = "auto"
) -> tuple[list[int], Bar]:
    """The batch sizes that a variant trains before the race, and the bar."""
    params = Params(
        grid=Grid(["baseline", "other"], [4, 8, "full"], [0.1]),
        variants={"baseline": {}, "other": {}},
        budget=Budget(10, 80, 5),
        target=Target("val_score", value),
    )
    trained = []

    def train(held: Pilots, asked: BatchSize, _: Bar | None) -> Tables:
        size = held.pack(asked).batch_size
        trained.append(size)
        top = TOPS[size]
        cells = [(size, 0.1, seed, top) for seed in range(3)]
        curves = {cell[:3]: [0.1, 0.3, top, top] for cell in cells}
        return lanes(*cells), history(curves)

    monkeypatch.setattr(Pilots, "train", train)
    found = Pilots(params, variant, dataset(), {}).bar()
    assert found is not None
    return trained, found


def test_the_largest_lowers_the_bar_of_the_first_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, found = before(monkeypatch, "baseline")
    assert trained == [8, 64]
    assert (found.batch_size, found.lr) == (8, 0.1)
    assert found.value < TOPS[64]


def test_other_variants_race_to_that_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that none of their trainings stops at an easier one of their own."""
    assert before(monkeypatch, "other")[0] == [8]


def test_a_target_that_is_set_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, found = before(monkeypatch, "baseline", 0.9)
    assert trained == [8]
    assert found.value == 0.9
