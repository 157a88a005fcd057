"""A table that gives its answer away says so; one that does not keeps quiet."""

from pathlib import Path

import numpy as np
import pytest

from makers.project import ROOT, SHARED_DATA
from makers.tables import csv, prepared, write
from pipeline.data import preparation
from pipeline.params.data import Data

ROWS = 400
NOISE = np.random.default_rng(0).normal(size=(ROWS, 2))


def feature(k: int) -> str:
    return f"{NOISE[k, 0]:.9f}"


def label(k: int) -> str:
    return "yes" if NOISE[k, 0] + NOISE[k, 1] > 0 else "no"


def test_an_honest_table_has_no_warning(tmp_path: Path) -> None:
    path = write(tmp_path, csv("a,y", lambda k: f"{feature(k)},{label(k)}", ROWS))
    assert prepared(path).warnings == ()


@pytest.mark.parametrize(
    "leak",
    [
        lambda k: {"yes": "1", "no": "0"}[label(k)],
        lambda k: {"yes": f"{1000 + k}", "no": f"{k}"}[label(k)],  # an account that tells the side
        lambda k: {"yes": "won", "no": ("lost", "open")[k % 2]}[label(k)],  # one level that tells
    ],
)
def test_the_target_under_another_name_is_named(tmp_path: Path, leak: object) -> None:
    text = csv("a,outcome,y", lambda k: f"{feature(k)},{leak(k)},{label(k)}", ROWS)  # type: ignore[operator]
    (word,) = prepared(write(tmp_path, text)).warnings
    assert word.startswith("'outcome' alone predicts the target nearly perfectly (accuracy 1)")
    assert "data.table.drop=[outcome]" in word
    assert prepared(write(tmp_path, text), drop=["outcome"]).warnings == ()


def test_a_regression_s_target_in_another_unit_is_named(tmp_path: Path) -> None:
    text = csv("a,inches,y", lambda k: f"{feature(k)},{k / 2.54:.2f},{k}.5", ROWS)
    (word,) = prepared(write(tmp_path, text), "regression").warnings
    assert word.startswith("'inches' alone predicts the target nearly perfectly (R² ")


def test_a_rare_class_is_not_taken_for_a_leak(tmp_path: Path) -> None:
    """Whoever always says no is right 99.5 % of the time."""
    text = csv("a,y", lambda k: f"{feature(k)},{'yes' if k % 80 == 7 else 'no'}", ROWS)
    assert not any("alone" in word for word in prepared(write(tmp_path, text)).warnings)


def test_rows_that_stand_twice_are_told_and_can_be_dropped(tmp_path: Path) -> None:
    lines = csv("a,b,y", lambda k: f"{feature(k)},{k},{label(k)}", ROWS).splitlines()
    path = write(tmp_path, "\n".join([*lines, *lines[1:]]) + "\n")
    (word,) = prepared(path).warnings
    assert "validation and test rows also stand in the training part, target and all" in word
    dropped = prepared(path, duplicates="drop")
    assert dropped.warnings == ()
    assert sum(len(part) for part in dropped.parts.values()) == ROWS
    assert f"{ROWS} of {2 * ROWS} rows were left out: they repeat another" in dropped.notes


def test_coarse_rows_that_meet_by_chance_are_none(tmp_path: Path) -> None:
    path = write(tmp_path, csv("a,b,y", lambda k: f"{k % 5},{k % 3},{label(k)}", ROWS))
    assert prepared(path).warnings == ()


def test_houses_have_none() -> None:
    houses = Data("table", str(ROOT / "tests/houses.csv"), "price", "auto")
    assert preparation.prepare(houses, 0).warnings == ()


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the shared data are not there")
def test_california_housing_has_none() -> None:
    path = SHARED_DATA / "california_housing.csv"
    data = Data("table", str(path), "median_house_value", "auto")
    assert preparation.prepare(data, 0).warnings == ()
