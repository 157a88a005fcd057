"""A setting that variants differ in alone: which value is best, and how that moves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from makers.study import study_with_settings
from makers.variants import PLAIN
from pipeline.analysis import sweep
from pipeline.analysis.claims import adam
from pipeline.params.optimizer import Optimizer
from pipeline.selection.statistics import UNKNOWN

SIZES = (8, 32, 128, 512)
VALUES = (0.03, 0.1, 0.3, 1.0, 3.0)
WITHIN = 2.0
"""How far above the fewest log steps the budget of a batch size ends."""


def cells(
    power: float, seed: int = 0, spread: float = 0.25, scatter: float = 0.2, is_bowl: bool = False
) -> pd.DataFrame:
    """Five seeds at every value: log steps stay up to a value that moves as B^power, and that
    scatters from batch size to batch size, and rise beyond; or they fall and rise again."""
    rng = np.random.default_rng(seed)
    rows = []
    for size in SIZES:
        bend = np.log(0.5) + power * np.log(size / 64) + rng.normal(0, scatter)
        fewest = np.log(30 + 5000 / size)
        for value in VALUES:
            away = np.log(value) - bend
            log = fewest + (0.15 * away**2 if is_bowl else np.log1p(np.exp(2 * away)))
            for number in range(5):
                drawn = log + rng.normal(0, spread)
                missed = drawn > fewest + WITHIN
                rows.append((size, value, number, np.exp(min(drawn, fewest + WITHIN)), missed))
    return pd.DataFrame(rows, columns=["batch_size", "value", "seed", "steps", "missed"])


class TestSweeps:
    def test_variants_that_differ_in_one_number_alone(self) -> None:
        adamw = replace(PLAIN, optimizer=Optimizer("adamw"))
        decays = {
            name: replace(adamw, optimizer=Optimizer("adamw", weight_decay=value), lr=(value + 1,))
            for name, value in {"none": 0.0, "a": 0.1, "b": 1.0, "c": 3.0}.items()
        }
        (found,) = sweep.sweeps(decays | {"sgd": PLAIN})
        assert (found.name, found.values) == ("weight_decay", {"a": 0.1, "b": 1.0, "c": 3.0})
        assert sweep.sweeps({name: decays[name] for name in ("none", "a", "b")}) == []
        assert sweep.sweeps(dict.fromkeys("wxyz", decays["a"])) == []
        (twice,) = sweep.sweeps(decays | {"d": decays["c"]})
        assert twice == found
        apart = replace(decays["c"], scaling="minmax")
        assert sweep.sweeps(decays | {"c": apart}) == []

    def test_a_share_counts_by_what_it_leaves(self) -> None:
        settings = {
            f"beta_{place}": replace(PLAIN, optimizer=Optimizer("adam", beta2=beta))
            for place, beta in enumerate((0.9, 0.99, 0.999))
        }
        (found,) = sweep.sweeps(settings)
        assert found.label == "1 - beta2"
        assert list(found.values.values()) == pytest.approx([0.1, 0.01, 0.001])


class TestShift:
    @pytest.mark.parametrize("is_bowl", [False, True])
    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
    def test_a_known_power_is_found(self, power: float, is_bowl: bool) -> None:
        found = sweep.shift(cells(power, spread=0.01, scatter=0.0, is_bowl=is_bowl))
        assert found.power.value == pytest.approx(power, abs=0.05)
        if is_bowl:
            assert found.best_value(np.array([64.0])) == pytest.approx(0.5, rel=0.2)

    @pytest.mark.slow
    @pytest.mark.parametrize(("power", "is_bowl"), [(0.0, True), (0.5, False)])
    def test_the_intervals_cover(self, power: float, is_bowl: bool) -> None:
        inside = []
        for seed in range(30):
            found = sweep.shift(cells(power, seed, is_bowl=is_bowl)).power
            inside.append(found.low <= power <= found.high)
        assert np.mean(inside) >= 0.9

    def test_what_changes_nothing_says_nothing_sure(self) -> None:
        """The trap: of curves that are flat some power always is the likeliest."""
        sure = []
        for seed in range(20):
            table = cells(0.5, seed)
            flat = np.random.default_rng(seed).normal(0, 0.25, len(table))
            found = sweep.shift(table.assign(steps=100 * np.exp(flat), missed=False)).power
            sure.append(found.low > 0 or found.high < 0)
        assert np.mean(sure) <= 0.1

    def test_few_batch_sizes_or_values_give_nothing(self) -> None:
        table = cells(0.5)
        assert sweep.shift(table[table["batch_size"] < 100]).power is UNKNOWN
        assert sweep.shift(table[table["value"] < 0.2]).power is UNKNOWN
        assert sweep.shift(table[:0]).power is UNKNOWN


def test_a_seed_does_not_choose_its_own_rate() -> None:
    """Of two rates of pure luck the mean loss is that of luck."""
    rng = np.random.default_rng(0)
    lanes = pd.DataFrame(
        [("a", 8, lr, seed, loss) for lr in (0.1, 1.0)
         for seed, loss in enumerate(np.exp(rng.normal(0, 0.5, 400)))],
        columns=["variant", "batch_size", "lr", "seed", "final_val_loss"],
    )  # fmt: skip
    found = np.log(sweep.final_losses(lanes)["steps"])
    assert len(found) == 400
    assert found.mean() == pytest.approx(0, abs=0.06)
    lost = lanes.assign(final_val_loss=lanes["final_val_loss"].where(lanes["lr"] < 1))
    assert len(sweep.final_losses(lost)) == 400  # the other rate is left
    assert sweep.final_losses(lanes[:0]).empty
    neither = lanes["final_val_loss"].mask((lanes["seed"] == 0) == (lanes["lr"] == 1))
    assert sweep.final_losses(lanes.assign(final_val_loss=neither)).empty


def test_the_best_value_is_one_that_most_seeds_arrive_with() -> None:
    table = cells(0.5, spread=0.05, scatter=0.0).assign(name="weight_decay", criterion="steps")
    table.loc[(table["batch_size"] == 8) & (table["value"] == 0.03), "missed"] = True
    chosen = sweep.best(sweep.by_value(table)).set_index("batch_size")["value"]
    assert set(chosen.index) == set(SIZES)
    assert chosen[8] == 0.1


@pytest.mark.parametrize(("power", "expected"), [(0.5, "supported"), (-0.5, "refuted")])
def test_the_claim(power: float, expected: str) -> None:
    table = cells(power, spread=0.02, scatter=0.0, is_bowl=True)
    both = pd.concat([table.assign(criterion=name) for name in sweep.CRITERIA])
    study = study_with_settings({"a": PLAIN}, sweep_shifts={"weight_decay": sweep.shifts(both)})
    assert adam.best_decay_grows(study).verdict == expected
    assert adam.best_decay_grows(study_with_settings({"a": PLAIN})).verdict == "not tested"
