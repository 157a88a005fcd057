"""Variants beside each other."""

from dataclasses import replace

import pandas as pd
import pytest

from makers.variants import PLAIN, SIZES, tables
from pipeline.analysis import variants
from pipeline.params.optimizer import Optimizer


class TestCompare:
    def test_a_known_ratio_paired_by_seed(self) -> None:
        table = variants.compare(*tables(0.5))
        own = table[table["variant"] == "second"]
        assert own["batch_size"].tolist() == SIZES
        assert own["steps_ratio"].to_numpy() == pytest.approx(0.5)
        assert own["steps_ratio_high"].to_numpy() == pytest.approx(0.5)  # the seeds cancel
        assert own["score_difference"].to_numpy() == pytest.approx(-0.02)
        back = table[table["variant"] == "first"]
        assert back["steps_ratio"].to_numpy() == pytest.approx(2)

    def test_a_seed_that_missed_leaves_its_pair_out(self) -> None:
        rates, selection, cells, scores = tables(0.5)
        cells = cells.copy()
        cells["missed"] = (cells["variant"] == "second") & (cells["seed"] == 1000)
        table = variants.compare(rates, selection, cells, scores)
        assert set(table["pairs"]) == {4}
        assert set(table.loc[table["variant"] == "second", "arrived"]) == {4}

    def test_the_order_of_rows_does_not_matter(self) -> None:
        first = variants.compare(*tables(0.5))
        mixed = [table.sample(frac=1, random_state=3) for table in tables(0.5)]
        again = variants.compare(*mixed).sort_values(["reference", "batch_size"])
        expected = first.sort_values(["reference", "batch_size"])
        pd.testing.assert_frame_equal(again.reset_index(drop=True), expected.reset_index(drop=True))

    def test_what_became_of_the_rates(self) -> None:
        found = variants.screening(tables(1.0, (3, 0))[0]).set_index(["variant", "batch_size"])
        assert found.loc[("first", 4), "diverged_share"] == 0.25
        assert found.loc[("first", 4), "largest_rate"] == 1.0
        assert found.loc[("second", 4), "largest_rate"] == 10.0
        assert set(found["usable_rates"]) == {3}


def test_pairs_differ_in_one_key_alone() -> None:
    settings = {
        "none": PLAIN,
        "scaled": replace(PLAIN, scaling="standard", lr=(0.5,)),
        "normed": replace(PLAIN, model=replace(PLAIN.model, norm="batch")),
        "both": replace(PLAIN, scaling="standard", optimizer=Optimizer("adam")),
    }
    assert variants.pairs(settings, "scaling") == [("none", "scaled"), ("scaled", "none")]
    assert ("none", "normed") in variants.pairs(settings, "norm")
    assert variants.pairs(settings, "optimizer") == [("scaled", "both"), ("both", "scaled")]
