"""What the timings of several runs and passes say of each other."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import timings

RUNS = pd.read_csv(Path(__file__).with_name("six_runs.csv"))
"""Six times the same study on one shared machine, one of them in a slow hour."""
PAIRS = list(permutations(sorted(set(RUNS["run"])), 2))


def run(number: int) -> pd.DataFrame:
    """One run, of which there was no later pass."""
    table = RUNS[RUNS["run"] == number].assign(
        variant="baseline", in_grid=True, later_over_earlier=np.nan
    )
    return table.set_index("batch_size", drop=False)


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


class TestPasses:
    """Two passes over the grid, before and after the training."""

    TIMED = run(sorted(set(RUNS["run"]))[0]).reset_index(drop=True)

    def passes(self, factors: np.ndarray) -> pd.DataFrame:
        """The first pass, and a later one in which steps took so many times as long."""
        later = self.TIMED.assign(seconds_per_step=self.TIMED["seconds_per_step"] * factors)
        return timings.with_later(self.TIMED, later)

    def test_what_all_batch_sizes_share_is_told_from_what_each_does(self) -> None:
        rng = np.random.default_rng(0)
        found = [
            timings.between_passes(
                self.passes(np.exp(rng.normal(0.3, 0.1 * np.sqrt(2), len(self.TIMED))))
            )
            for _ in range(200)
        ]
        shared, alone = np.sqrt(np.mean(np.square(found), axis=0))
        assert shared == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
        assert alone == pytest.approx(0.1, rel=0.1)

    def test_seconds_are_means_of_the_passes(self) -> None:
        both = timings.over_passes(self.passes(np.full(len(self.TIMED), 4.0)))
        assert both["seconds_per_step"].to_numpy() == pytest.approx(
            2 * self.TIMED["seconds_per_step"].to_numpy()
        )

    def test_a_batch_size_without_a_later_pass_changes_as_the_others_did(self) -> None:
        """The trap: it would look faster than them after a pass in which all were slow."""
        slow = self.TIMED.assign(seconds_per_step=4 * self.TIMED["seconds_per_step"])
        first = timings.with_later(self.TIMED, slow[1:])
        assert first["later_over_earlier"].isna().sum() == 1
        assert timings.over_passes(first)["seconds_per_step"].to_numpy() == pytest.approx(
            2 * self.TIMED["seconds_per_step"].to_numpy()
        )
        assert timings.passes_agree(first)

    def test_without_a_later_pass_the_earlier_holds(self) -> None:
        alone = timings.over_passes(self.TIMED)["seconds_per_step"]
        assert alone.equals(self.TIMED["seconds_per_step"])

    def test_rows_beside_the_grid_have_no_later_pass(self) -> None:
        """The trap: the largest batch is there whole and in micro-batches."""
        parts = self.TIMED[-1:].assign(in_grid=False)
        table = timings.with_later(pd.concat([self.TIMED, parts], ignore_index=True), self.TIMED)
        assert table["later_over_earlier"].notna().tolist() == [True] * len(self.TIMED) + [False]

    def test_a_machine_that_was_slow_throughout_one_pass_is_trusted_for_ratios(self) -> None:
        assert timings.passes_agree(self.passes(np.full(len(self.TIMED), 2.0)))

    def test_a_clock_that_one_batch_size_fooled_is_not(self) -> None:
        """As measured once: two threads that waited for each other took 135 times as long."""
        fooled = np.where(self.TIMED["batch_size"] == 32, 1 / 135, 1.0)
        assert not timings.passes_agree(self.passes(fooled))

    def test_runs_of_different_hours_are(self) -> None:
        for one, other in PAIRS:
            first, later = run(one).reset_index(drop=True), run(other).reset_index(drop=True)
            assert timings.passes_agree(timings.with_later(first, later))

    def test_passes_that_differ_widen_the_intervals(self) -> None:
        noise = np.exp(np.random.default_rng(0).normal(0, 0.3, len(self.TIMED)))
        steady, unsteady = self.passes(np.ones(len(self.TIMED))), self.passes(noise)
        packs = self.TIMED[["variant", "batch_size"]]
        narrow, wide = (timings.ratio_error(table, packs) for table in (steady, unsteady))
        assert (wide > 1.5 * narrow).all()

    def test_what_was_timed_in_rounds_has_their_error(self) -> None:
        """The trap: blocks of a restless machine lie far apart, in all batch sizes alike."""
        packs = self.TIMED[["variant", "batch_size"]]
        restless = self.TIMED.assign(
            seconds_per_step_q25=0.6 * self.TIMED["seconds_per_step"],
            seconds_per_step_q75=1.4 * self.TIMED["seconds_per_step"],
        )
        alone = timings.ratio_error(restless, packs)
        together = timings.ratio_error(restless.assign(ratio_error=0.02), packs)
        assert together.to_numpy() == pytest.approx(np.hypot(0.02, 0.05 / np.sqrt(2)))
        assert (alone > 3 * together).all()

    def test_passes_minutes_apart_widen_those_of_hours_but_never_narrow_them(self) -> None:
        slow, steady = (self.passes(np.full(len(self.TIMED), factor)) for factor in (2.0, 1.0))
        assert (timings.hour_to_hour(slow) > 1.5 * timings.hour_to_hour(self.TIMED)).all()
        assert timings.hour_to_hour(steady).equals(timings.hour_to_hour(self.TIMED))
