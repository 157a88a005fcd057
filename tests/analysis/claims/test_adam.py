"""Claims about what of Adam moves with the batch size, on tables where the answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from makers.study import study_with_settings
from makers.variants import PLAIN, SIZES, tables
from pipeline.analysis import variants as comparison
from pipeline.analysis.claims import adam
from pipeline.analysis.study import Study
from pipeline.params.optimizer import Optimizer
from pipeline.params.schedule import Schedule
from pipeline.params.settings import Settings

BASE = 16
TUNED = replace(PLAIN, optimizer=Optimizer("adam"), lr=(0.1, 1.0))
RULED = replace(
    PLAIN,
    optimizer=Optimizer("adam", noise_batch_size=BASE),
    schedule=Schedule(batch_rule="sqrt", base_batch_size=BASE),
    lr=(0.1,),
)


def study(second: Settings, factor: float, first: Settings = TUNED, **more: object) -> Study:
    """Two variants, of which the second takes ``factor`` times the steps."""
    table = comparison.compare(*tables(factor))
    return study_with_settings({"first": first, "second": second}, variants=table, **more)


def examples(growth: float, noise: float = 0.05, seeds: int = 5, seed: int = 0) -> pd.DataFrame:
    """Fresh trainings that need examples as B^growth."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [{"variant": "second", "batch_size": size, "seed": number, "missed": False,
          "steps": 3000 * size**growth / size * np.exp(rng.normal(0, noise))}
         for size in SIZES for number in range(seeds)]
    )  # fmt: skip


@pytest.mark.parametrize(("factor", "expected"), [(0.7, "supported"), (1.3, "refuted")])
class TestMovedAgainstFixed:
    def test_a_half_life_in_examples(self, factor: float, expected: str) -> None:
        """Judged beyond the batch size at which both forget alike."""
        moving = replace(TUNED, optimizer=Optimizer("adam", beta2_batch_size=4))
        outcome = adam.beta2_half_life(study(moving, factor))
        assert outcome.verdict == expected
        assert outcome.effect.n == len(SIZES) - 1
        other = replace(moving, optimizer=Optimizer("adamw", beta2_batch_size=4))
        assert adam.beta2_half_life(study(other, factor)).verdict == "not tested"

    def test_a_timescale_in_examples(self, factor: float, expected: str) -> None:
        fixed = replace(TUNED, optimizer=Optimizer("adamw", weight_decay=0.1))
        rule = replace(fixed.optimizer, decay_batch_size=4)
        outcome = adam.decay_timescale(study(replace(fixed, optimizer=rule), factor, fixed))
        assert outcome.verdict == expected
        assert outcome.effect.n == len(SIZES) - 1
        assert adam.decay_timescale(study(RULED, factor)).verdict == "not tested"


class TestSquareRootRule:
    @pytest.mark.parametrize(("factor", "expected"), [(1.0, "supported"), (1.5, "refuted")])
    def test_as_advice(self, factor: float, expected: str) -> None:
        outcome = adam.adam_sqrt_optimal(study(RULED, factor))
        assert outcome.verdict == expected
        assert outcome.effect.n == len(SIZES) - 1

    def test_a_batch_size_at_which_it_never_arrives_refutes_it(self) -> None:
        given = study(RULED, 1.0)
        lost = (given.variants["variant"] == "second") & (given.variants["batch_size"] == 64)
        given.variants.loc[lost, ["arrived", "steps_ratio"]] = [0, np.nan]
        outcome = adam.adam_sqrt_optimal(given)
        assert outcome.verdict == "refuted"
        assert "no arrival at 64" in outcome.finding

    def test_another_schedule_is_no_reference(self) -> None:
        other = replace(TUNED, schedule=Schedule("cosine"))
        assert adam.adam_sqrt_optimal(study(RULED, 1.0, other)).verdict == "not tested"

    @pytest.mark.parametrize(
        ("growth", "expected"), [(0.0, "supported"), (0.4, "refuted"), (-0.4, "refuted")]
    )
    def test_as_a_statement_about_the_path(self, growth: float, expected: str) -> None:
        verdicts = [
            adam.adam_sqrt_equivalent(study(RULED, 1, counted=examples(growth, seed=seed))).verdict
            for seed in range(40)
        ]
        assert verdicts.count(expected) >= 38  # power, with five seeds and 5 % between them

    def test_at_the_margin_it_is_rarely_supported(self) -> None:
        growth = np.log(adam.GOOD) / np.log(4)
        verdicts = [
            adam.adam_sqrt_equivalent(study(RULED, 1, counted=examples(growth, seed=seed))).verdict
            for seed in range(200)
        ]
        assert verdicts.count("supported") <= 10

    def test_a_batch_size_that_is_hardly_known_supports_nothing(self) -> None:
        """Its mean may lie near 1, and the others' lie farther off."""
        counted = examples(0.05, noise=0.001)
        wide = counted["batch_size"] == 4
        counted.loc[wide, "steps"] *= np.exp(np.array([-0.8, -0.4, 0.0, 0.4, 0.8]) + 0.07)
        assert adam.adam_sqrt_equivalent(study(RULED, 1.0, counted=counted)).verdict == "undecided"

    def test_a_batch_size_that_never_arrives(self) -> None:
        counted = examples(0.0)
        counted.loc[counted["batch_size"] == BASE, "missed"] = True
        given = study(RULED, 1.0, counted=counted)
        assert adam.adam_sqrt_equivalent(given).verdict == "not tested"


def test_without_the_variants_the_study_is_named() -> None:
    for claim in (adam.beta2_half_life, adam.decay_timescale, adam.adam_sqrt_optimal,
                  adam.adam_sqrt_equivalent):  # fmt: skip
        outcome = claim(study(PLAIN, 1.0, PLAIN))
        assert outcome.verdict == "not tested"
        assert "study=large_batch" in outcome.finding
