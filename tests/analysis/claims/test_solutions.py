"""Claims about what the batch size does to the solution, on tables with known answers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from makers.outcomes import SIZES, compared, gradients, sharpness, wandering
from makers.study import study_of
from pipeline.analysis import noise
from pipeline.analysis.claims import solutions
from pipeline.analysis.claims.claim import Outcome
from pipeline.analysis.generalisation import COMPARISONS
from pipeline.analysis.study import Study
from pipeline.selection.keys import CELL, WHOLE

ESCAPES = pd.DataFrame({"batch_size": [1, 32], "share": [1.0, 0.0]})


NOTHING = {
    name: pd.DataFrame(columns=columns)
    for name, columns in {
        "sharpness": (),
        "gradient_noise": (),
        "landscape": ("path",),
        "evaluation": ("budget",),
    }.items()
}


def study(**known: Any) -> Study:
    """A study of one variant, of which nothing is measured but what is known; names of tables of
    measurements stand for those."""
    measured = NOTHING | {name: known.pop(name) for name in NOTHING if name in known}
    return study_of(("v",), measured, **known)


def verdict(outcome: Outcome) -> str:
    """The verdict, whose words must not show a missing number."""
    assert "nan" not in outcome.finding.lower()
    return outcome.verdict


class TestClaims:
    def test_what_was_not_measured_is_not_tested(self) -> None:
        nothing = study(
            stability_limit=2.0, generalisation=pd.DataFrame(), oscillation=pd.DataFrame()
        )
        for test in (
            solutions.generalisation_gap, solutions.sharp_minima,
            solutions.small_batch_noise, solutions.curvature_limits_lr,
            solutions.gradient_sqrt, solutions.few_are_enough,
        ):  # fmt: skip
            nothing = study(
                stability_limit=2.0, generalisation=pd.DataFrame(), oscillation=pd.DataFrame()
            )
            assert verdict(test(nothing)) == "not tested"

    @pytest.mark.parametrize(("loss", "expected"), [(0.05, "supported"), (0.0, "refuted")])
    def test_generalisation(self, loss: float, expected: str) -> None:
        found = solutions.generalisation_gap(study(generalisation=compared(loss)))
        assert verdict(found) == expected

    def test_generalisation_may_depend_on_the_budget(self) -> None:
        losses = dict.fromkeys(COMPARISONS, 0.0) | {"equal epochs": 0.05}
        table = compared(losses)
        outcome = solutions.generalisation_gap(study(generalisation=table))
        assert outcome.verdict == "mixed"
        assert "equal epochs: worse" in outcome.finding

    @pytest.mark.parametrize(("exponent", "expected"), [(0.5, "supported"), (-0.2, "refuted")])
    def test_sharp_minima(self, exponent: float, expected: str) -> None:
        table = sharpness(exponent)
        assert verdict(solutions.sharp_minima(study(sharpness=table))) == expected

    @pytest.mark.parametrize(("depth", "expected"), [(1.5, "supported"), (50.0, "mixed")])
    def test_sharpness_is_compared_at_like_losses_alone(self, depth: float, expected: str) -> None:
        table = sharpness(0.5)
        cells = table.loc[table["point"] == "solution", CELL]
        is_last = cells["batch_size"] == SIZES[-1]
        losses = cells.assign(train_loss=np.where(is_last, 0.01 * depth, 0.01), budget=WHOLE)
        outcome = solutions.sharp_minima(study(sharpness=table, evaluation=losses))
        assert verdict(outcome) == expected
        assert f"between 0.01 and {0.01 * depth:.2g}" in outcome.finding

    def test_measures_that_disagree_are_mixed(self) -> None:
        table = sharpness(0.5).assign(adaptive=1.0)
        assert verdict(solutions.sharp_minima(study(sharpness=table))) == "mixed"

    @pytest.mark.parametrize(("exponent", "expected"), [(-0.4, "supported"), (0.4, "refuted")])
    def test_small_batch_noise(self, exponent: float, expected: str) -> None:
        table = noise.oscillation(wandering(exponent))
        found = solutions.small_batch_noise(study(oscillation=table, escapes=ESCAPES))
        assert verdict(found) == expected

    @pytest.mark.parametrize(
        ("limit", "expected"), [(0.05, "supported"), (0.5, "mixed"), (50.0, "refuted")]
    )
    def test_curvature(self, limit: float, expected: str) -> None:
        tables = {"sharpness": sharpness(0.5), "stability_limit": limit}
        assert verdict(solutions.curvature_limits_lr(study(**tables))) == expected

    def test_curvature_without_a_limit(self) -> None:
        found = solutions.curvature_limits_lr(study(sharpness=sharpness(0.5), stability_limit=None))
        assert found.verdict == "not tested"
        assert "optimizer" in found.finding

    @pytest.mark.parametrize(("exponent", "expected"), [(-0.51, "supported"), (-0.3, "refuted")])
    def test_gradient_sqrt(self, exponent: float, expected: str) -> None:
        found = solutions.gradient_sqrt(study(gradient_noise=gradients(exponent)))
        assert verdict(found) == expected

    @pytest.mark.parametrize(
        ("cosine", "expected"), [(0.95, "supported"), (0.8, "refuted"), (0.5, "refuted")]
    )
    def test_few_are_enough(self, cosine: float, expected: str) -> None:
        found = solutions.few_are_enough(study(gradient_noise=gradients(cosine=cosine)))
        assert verdict(found) == expected
