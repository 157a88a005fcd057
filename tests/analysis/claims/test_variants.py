"""Claims that need several variants."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from makers.study import study_with_settings
from makers.variants import PLAIN, SEEDS, SIZES, tables
from pipeline.analysis import variants as comparison
from pipeline.analysis.answer import Answer
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


NORMED = {"first": PLAIN, "second": replace(PLAIN, model=replace(PLAIN.model, norm="batch"))}


class TestClaims:
    def test_what_no_variant_tests_names_the_study(self) -> None:
        bare = study_with_settings({"v": PLAIN})
        for test, name in (
            (variants.scaling_helps, "scaling"),
            (variants.batch_norm_helps, "batch_norm"),
            (variants.batch_norm_weights, "batch_norm"),
            (variants.optimizers, "optimizers"),
            (variants.small_batch_optimizers, "optimizers"),
            (variants.ramp_saves, "ramp"),
        ):
            assert test(bare).verdict == "not tested"
            assert f"study={name}" in test(bare).finding

    @pytest.mark.parametrize(
        ("factor", "expected"), [(0.6, "supported"), (1.6, "refuted"), (0.98, "undecided")]
    )
    def test_a_ramp(self, factor: float, expected: str) -> None:
        """Against the best of the constant batch sizes, not against that of its own start."""
        growing = Schedule("growth", milestones=[0.5], factor=0.5)
        settings = {"first": PLAIN, "second": replace(PLAIN, schedule=growing)}
        seconds = [4.0, 1.0, 2.0, factor, 3 * factor]
        table = pd.DataFrame(
            {"variant": ["first"] * 3 + ["second"] * 2, "batch_size": [8, 16, 32, 8, 16]}
            | {"seconds_to_target": seconds, "steps_to_target": 100.0, "seeds": 5}
        )
        noise = np.random.default_rng(0).normal(0, 0.05, (5, 4000))
        drawn = np.log(seconds)[:, None] + noise
        answer = Answer(pd.DataFrame(), {}, table, drawn)
        given = study_with_settings(settings, answer=answer, tradeoff=table)
        found = variants.ramp_saves(given)
        assert found.verdict == expected
        assert found.effect.value == pytest.approx(factor, rel=0.05)
        lost = table.assign(seeds=table["seeds"].where(table["variant"] == "first"))
        never = replace(answer, drawn=np.where(lost[["seeds"]].isna(), np.nan, drawn))
        given = study_with_settings(settings, answer=never, tradeoff=lost)
        assert variants.ramp_saves(given).verdict == "not tested"

    @pytest.mark.parametrize(("factor", "expected"), [(0.5, "supported"), (2.0, "refuted")])
    def test_scaling(self, factor: float, expected: str) -> None:
        settings = {"first": PLAIN, "second": replace(PLAIN, scaling="minmax")}
        found = variants.scaling_helps(study(settings, factor, (1, 3)))
        assert found.verdict == expected
        assert "nan" not in found.finding
        assert "25% diverged" in found.finding

    @pytest.mark.parametrize(
        ("largest", "expected"), [((0.1, 1.0), "supported"), ((1.0, 0.1), "refuted")]
    )
    def test_batch_norm_and_rates(self, largest: tuple[float, float], expected: str) -> None:
        given = study(NORMED, 1.0, (1, 1), largest)
        assert variants.batch_norm_helps(given).verdict == expected

    @pytest.mark.parametrize(("growth", "expected"), [(0.6, "supported"), (2.0, "refuted")])
    def test_batch_norm_and_weights(self, growth: float, expected: str) -> None:
        given = study(NORMED, 1.0, (1, 1), (0.1, 0.1), growth=growth)
        assert variants.batch_norm_weights(given).verdict == expected

    def test_rules_without_tuning(self) -> None:
        settings = {
            "first": PLAIN,
            "second": replace(PLAIN, schedule=Schedule(batch_rule="linear")),
        }
        words = training.rule_words(study(settings, 1.5), "linear")
        assert words == (
            " With rates by the rule seeds reach the target: second up to batch size 64 in 1.50 "
            "times the steps; with rates tuned anew up to 64."
        )
        none = study(settings, 1.5)
        none.variants.loc[none.variants["variant"] == "second", "arrived"] = 0
        assert "second at no batch size" in training.rule_words(none, "linear")
        assert "large_batch" in training.rule_words(study(settings, 1.0), "sqrt")

    @pytest.mark.parametrize(("factor", "expected"), [(0.5, "supported"), (2.0, "refuted")])
    def test_optimizers(self, factor: float, expected: str) -> None:
        settings = {"first": PLAIN, "second": replace(PLAIN, optimizer=Optimizer("adam"))}
        found = variants.optimizers(study(settings, factor))
        assert found.verdict == expected
        assert f"second takes {factor:.2f} times the steps" in found.finding

    @pytest.mark.parametrize(
        ("factors", "expected"),
        [((0.9, 0.5, 0.25), "supported"), ((0.25, 0.5, 0.9), "refuted"),
         ((0.5, 0.2, 0.5), "undecided")],
    )  # fmt: skip
    def test_optimizers_at_small_batches(self, factors: tuple[float, ...], expected: str) -> None:
        """Steps over plain SGD's at each batch size; a line through them tells."""
        settings = {"first": PLAIN, "second": replace(PLAIN, optimizer=Optimizer("adam"))}
        given = study(settings, 1.0)
        ratio = dict(zip(SIZES, factors, strict=True))
        table = given.variants
        is_adam = table["variant"] == "second"
        table.loc[is_adam, "steps_ratio"] = table["batch_size"].map(ratio)
        assert variants.small_batch_optimizers(given).verdict == expected
