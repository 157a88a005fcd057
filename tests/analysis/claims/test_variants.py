"""Claims that need several variants."""

from dataclasses import replace

import pandas as pd
import pytest

from makers.study import study_with_settings
from makers.variants import PLAIN, SEEDS, SIZES, tables
from pipeline.analysis import variants as comparison
from pipeline.analysis.claims import training, variants
from pipeline.analysis.study import Study
from pipeline.params.optimizer import Optimizer
from pipeline.params.schedule import Schedule
from pipeline.params.settings import Settings


def study(settings: dict[str, Settings], *shape: object, growth: float = 1.0) -> Study:
    """A study of two variants; the weights of the second grow ``growth`` times as much."""
    curves = pd.DataFrame(
        [{"variant": name, "batch_size": size, "seed": seed, "step": step, "weight_norm": length}
         for name, grown in zip(settings, (2.0, 2.0 * growth), strict=False)
         for size in SIZES for seed in SEEDS for step, length in ((1, 1.0), (100, grown))]
    )  # fmt: skip
    table = comparison.compare(*tables(*shape))  # type: ignore[arg-type]
    return study_with_settings(settings, curves=curves, variants=table, fits={})


class TestClaims:
    def test_what_no_variant_tests_names_the_study(self) -> None:
        bare = study_with_settings({"v": PLAIN})
        for test, name in (
            (variants.scaling_helps, "scaling"),
            (variants.batch_norm_helps, "batch_norm"),
            (variants.optimizers, "optimizers"),
        ):
            assert test(bare).verdict == "not tested"
            assert f"study={name}" in test(bare).finding

    @pytest.mark.parametrize(
        ("factor", "diverged", "expected"),
        [(0.5, (2, 1), "supported"), (2.0, (1, 1), "refuted"), (0.5, (1, 3), "refuted")],
    )
    def test_scaling(self, factor: float, diverged: tuple[int, int], expected: str) -> None:
        settings = {"first": PLAIN, "second": replace(PLAIN, scaling="minmax")}
        found = variants.scaling_helps(study(settings, factor, diverged))
        assert found.verdict == expected
        assert "nan" not in found.finding

    @pytest.mark.parametrize(
        ("largest", "growth", "expected"),
        [((0.1, 1.0), 0.5, "supported"), ((1.0, 0.1), 0.5, "refuted"), ((0.1, 1.0), 2, "refuted")],
    )
    def test_batch_norm(self, largest: tuple[float, float], growth: float, expected: str) -> None:
        normed = replace(PLAIN, model=replace(PLAIN.model, norm="batch"))
        given = study({"first": PLAIN, "second": normed}, 1.0, (1, 1), largest, growth=growth)
        assert variants.batch_norm_helps(given).verdict == expected

    def test_rules_without_tuning(self) -> None:
        settings = {
            "first": PLAIN,
            "second": replace(PLAIN, schedule=Schedule(batch_rule="linear")),
        }
        words = training.rule_words(study(settings, 1.5))
        assert words == (
            " With rates by a rule seeds reach the target: second up to batch size 64 in 1.50 "
            "times the steps; with rates tuned anew up to 64."
        )
        none = study(settings, 1.5)
        none.variants.loc[none.variants["variant"] == "second", "arrived"] = 0
        assert "second at no batch size" in training.rule_words(none)
        assert "large_batch" in training.rule_words(study({"first": PLAIN}, 1.0))

    @pytest.mark.parametrize(("factor", "expected"), [(0.5, "supported"), (2.0, "supported")])
    def test_optimizers(self, factor: float, expected: str) -> None:
        settings = {"first": PLAIN, "second": replace(PLAIN, optimizer=Optimizer("adam"))}
        found = variants.optimizers(study(settings, factor))
        assert found.verdict == expected
        assert f"second takes {factor:.2f} times the steps" in found.finding
