"""Variants beside each other, and the claims that need several."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import claims_variants, variants
from pipeline.analysis.claim import Evidence
from pipeline.params import Model, Optimizer, Schedule, Settings

SIZES, SEEDS = [4, 16, 64], range(1000, 1005)
PLAIN = Settings(scaling="none", model=Model("mlp", [4]))


def tables(
    factor: float, diverged: tuple[int, int] = (1, 1), largest: tuple[float, float] = (1.0, 1.0)
) -> tuple[pd.DataFrame, ...]:
    """Two variants, of which the second takes ``factor`` times the steps."""
    names = {"first": 1.0, "second": factor}
    rates = pd.DataFrame(
        [{"variant": name, "batch_size": size, "lr": lr, "seeds": 3,
          "diverged": lost if lr > top else 0, "median_steps": 10.0 if lr > 0.01 else np.inf}
         for name, lost, top in zip(names, diverged, largest, strict=True)
         for size in SIZES for lr in (0.01, 0.1, 1.0, 10.0)]
    )  # fmt: skip
    selection = pd.DataFrame(
        [(name, size, criterion, 0.1) for name in names for size in SIZES
         for criterion in ("fastest", "best_score")],
        columns=["variant", "batch_size", "criterion", "lr"],
    )  # fmt: skip
    cells = pd.DataFrame(
        [{"variant": name, "batch_size": size, "lr": 0.1, "seed": seed,
          "steps_to_target": slower * 1000 / size * (1 + seed % 5 / 10),
          "test_score": 0.9 + seed % 5 / 100 - 0.02 * (name == "second")}
         for name, slower in names.items() for size in SIZES for seed in SEEDS]
    )  # fmt: skip
    return rates, selection, cells, cells


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
        cells.loc[(cells["variant"] == "second") & (cells["seed"] == 1000), "steps_to_target"] = (
            np.nan
        )
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


def evidence(settings: dict[str, Settings], *shape: object, growth: float = 1.0) -> Evidence:
    nothing = pd.DataFrame()
    curves = pd.DataFrame(
        [{"variant": name, "batch_size": size, "seed": seed, "step": step, "weight_norm": length}
         for name, grown in zip(settings, (2.0, 2.0 * growth), strict=False)
         for size in SIZES for seed in SEEDS for step, length in ((1, 1.0), (100, grown))]
    )  # fmt: skip
    table = variants.compare(*tables(*shape))  # type: ignore[arg-type]
    return Evidence(
        "first", nothing, nothing, None, nothing, curves, 100, settings=settings, variants=table
    )


class TestClaims:
    def test_what_no_variant_tests_names_the_study(self) -> None:
        nothing = pd.DataFrame()
        bare = Evidence("v", nothing, nothing, None, nothing, nothing, 100)
        for test, study in (
            (claims_variants.scaling_helps, "scaling"),
            (claims_variants.batch_norm_helps, "batch_norm"),
            (claims_variants.optimizers, "optimizers"),
        ):
            assert test(bare).verdict == "not tested"
            assert f"study={study}" in test(bare).finding

    @pytest.mark.parametrize(
        ("factor", "diverged", "expected"),
        [(0.5, (2, 1), "supported"), (2.0, (1, 1), "refuted"), (0.5, (1, 3), "refuted")],
    )
    def test_scaling(self, factor: float, diverged: tuple[int, int], expected: str) -> None:
        settings = {"first": PLAIN, "second": replace(PLAIN, scaling="minmax")}
        found = claims_variants.scaling_helps(evidence(settings, factor, diverged))
        assert found.verdict == expected
        assert "nan" not in found.finding

    @pytest.mark.parametrize(
        ("largest", "growth", "expected"),
        [((0.1, 1.0), 0.5, "supported"), ((1.0, 0.1), 0.5, "refuted"), ((0.1, 1.0), 2, "refuted")],
    )
    def test_batch_norm(self, largest: tuple[float, float], growth: float, expected: str) -> None:
        normed = replace(PLAIN, model=replace(PLAIN.model, norm="batch"))
        given = evidence({"first": PLAIN, "second": normed}, 1.0, (1, 1), largest, growth=growth)
        assert claims_variants.batch_norm_helps(given).verdict == expected

    def test_rules_without_tuning(self) -> None:
        settings = {
            "first": PLAIN,
            "second": replace(PLAIN, schedule=Schedule(batch_rule="linear")),
        }
        words = claims_variants.rule_words(evidence(settings, 1.5))
        assert words == (
            " With rates by a rule seeds reach the target: second up to batch size 64 in 1.50 "
            "times the steps; with rates tuned anew up to 64."
        )
        none = evidence(settings, 1.5)
        none.variants.loc[none.variants["variant"] == "second", "arrived"] = 0
        assert "second at no batch size" in claims_variants.rule_words(none)
        assert "large_batch" in claims_variants.rule_words(evidence({"first": PLAIN}, 1.0))

    @pytest.mark.parametrize(("factor", "expected"), [(0.5, "supported"), (2.0, "supported")])
    def test_optimizers(self, factor: float, expected: str) -> None:
        settings = {"first": PLAIN, "second": replace(PLAIN, optimizer=Optimizer("adam"))}
        found = claims_variants.optimizers(evidence(settings, factor))
        assert found.verdict == expected
        assert f"second takes {factor:.2f} times the steps" in found.finding
