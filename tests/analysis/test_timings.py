"""Aligned batch sizes against their neighbours."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from makers.timings import SIZES, timings_of
from pipeline.analysis import timings


class TestAlignment:
    def test_a_known_advantage_is_measured(self) -> None:
        seconds = 1e-4 + 1e-6 * SIZES
        seconds[SIZES % 32 == 0] /= 1.25
        pairs = timings.alignment(timings_of(seconds))
        aligned = pairs[pairs["batch_size"] >= 32]
        assert aligned["speed_up"].to_numpy() == pytest.approx(1.25, rel=0.001)
        assert set(pairs["kind"]) == {"powers of two", "multiples of 32"}
        assert set(pairs.loc[pairs["kind"] == "multiples of 32", "batch_size"] % 32) == {0}

    def test_a_smooth_machine_has_none(self) -> None:
        pairs = timings.alignment(timings_of(1e-4 + 1e-6 * SIZES))
        assert pairs["speed_up"].to_numpy() == pytest.approx(1, abs=0.01)

    def test_a_size_without_neighbours_is_left_out(self) -> None:
        assert timings.alignment(timings_of(np.ones(4), np.array([7.0, 8, 16, 17]))).empty


RUNS = pd.read_csv(Path(__file__).with_name("six_runs.csv"))
"""Six times the same study on one shared machine, one of them in a slow hour."""
PAIRS = list(permutations(sorted(set(RUNS["run"])), 2))


def run(number: int) -> pd.DataFrame:
    return RUNS[RUNS["run"] == number].set_index("batch_size", drop=False)


def test_each_run_lies_in_the_intervals_of_the_others() -> None:
    inside = []
    for one, other in PAIRS:
        off = np.abs(np.log(run(other)["seconds_per_step"] / run(one)["seconds_per_step"]))
        inside += (off <= timings.hour_to_hour(run(one))).tolist()
    assert 0.93 <= np.mean(inside) <= 0.99


def test_blocks_alone_would_not_tell() -> None:
    """The trap: within an hour blocks agree."""
    inside = []
    for one, other in PAIRS:
        off = np.abs(np.log(run(other)["seconds_per_step"] / run(one)["seconds_per_step"]))
        inside += (off <= 1.96 * np.sqrt(2) * timings.log_error(run(one))).tolist()
    assert np.mean(inside) < 0.7


def test_ratios_of_batch_sizes_have_a_narrower_interval() -> None:
    inside = []
    for one, other in PAIRS:
        change = np.log(run(other)["seconds_per_step"] / run(one)["seconds_per_step"])
        error = np.hypot(timings.log_error(run(one)), timings.BETWEEN_RATIOS)
        off = (change - change.mean()).abs()
        inside += (off <= 1.96 * np.sqrt(2) * error).tolist()
    assert 0.9 <= np.mean(inside) <= 0.99


def test_the_laws_of_all_runs_agree() -> None:
    laws = [timings.step_law(run(number)) for number in sorted(set(RUNS["run"]))]
    ratios = [law.ratio for law in laws if law is not None]
    assert len(ratios) == 6
    assert max(ratio.low for ratio in ratios) < min(ratio.high for ratio in ratios)
