"""Claims about what the batch size does to the solution, on tables with known answers."""

from typing import Any

import pandas as pd
import pytest

from makers.curves import fitted, runs
from makers.outcomes import gradients, sharpness, wandering
from makers.study import study_of
from pipeline.analysis import noise
from pipeline.analysis.claims import ledger, solutions
from pipeline.analysis.claims.claim import Outcome
from pipeline.analysis.generalisation import Trend
from pipeline.analysis.study import Study
from pipeline.selection.keys import WHOLE
from pipeline.selection.statistics import Estimate

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


def judged(name: str, **known: Any) -> Outcome:
    """The outcome of a claim, whose words must not show a missing number."""
    judge = {claim.id: claim.judge for claim in ledger.in_order()}[name]
    outcome = judge(study(**known))
    assert "nan" not in outcome.finding.lower()
    return outcome


def test_what_was_not_measured_is_not_tested() -> None:
    empty = noise.oscillation(wandering(0.0)[:0])
    known = {"stability_limit": 2.0, "critical": None, "error_trends": {}, "oscillation": empty}
    names = [
        claim.id for claim in ledger.in_order() if claim.judge.__module__ == solutions.__name__
    ]
    assert len(names) == 11
    scales = {"noise_scales": pd.DataFrame(columns=["variant", "moment"])}
    assert {judged(name, **known, **scales).verdict for name in names} == {"not tested"}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1.5, 3.0, "supported"), (0.8, 1.1, "refuted"), (0.3, 0.6, "refuted"),
     (1.0, 1.5, "undecided")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "comparison"),
    [("generalise-tuned", WHOLE), ("generalise-equal-steps", "equal steps"),
     ("generalise-equal-epochs", "equal epochs"),
     ("generalise-one-rate", "equal epochs, one rate")],
)  # fmt: skip
def test_generalisation(name: str, comparison: str, low: float, high: float, expected: str) -> None:
    """An error of 0.05 and a margin of 0.01 make a ratio of 1.2."""
    trends = {comparison: Trend(4, 256, 0.05, Estimate((low * high) ** 0.5, low, high, 5))}
    assert judged(name, error_trends=trends).verdict == expected


@pytest.mark.parametrize(("exponent", "expected"), [(0.5, "supported"), (-0.2, "refuted")])
@pytest.mark.parametrize("name", ["sharp-end", "sharp-equal-loss"])
def test_sharpness(name: str, exponent: float, expected: str) -> None:
    assert judged(name, sharpness=sharpness(exponent)).verdict == expected


def test_the_losses_of_sharp_ends_are_told() -> None:
    table = sharpness(0.5)
    finding = judged("sharp-end", sharpness=table.assign(train_loss=1 / table["batch_size"]))
    assert "from 0.0039 to 0.25" in finding.finding
    assert "training losses" not in judged("sharp-end", sharpness=table).finding


@pytest.mark.parametrize(("exponent", "expected"), [(-0.4, "supported"), (0.4, "refuted")])
def test_oscillation(exponent: float, expected: str) -> None:
    table = noise.oscillation(wandering(exponent))
    assert judged("oscillation", oscillation=table).verdict == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(0.05, "supported"), (0.1, "undecided"), (50.0, "refuted")]
)
@pytest.mark.parametrize("name", ["curvature-small", "curvature-large"])
def test_curvature(name: str, limit: float, expected: str) -> None:
    """Rate times curvature is 0.05 everywhere, and half the limit counts."""
    known = {"sharpness": sharpness(0.0), "critical": fitted(runs(60, spread=0.01, seed=1))}
    assert judged(name, stability_limit=limit, **known).verdict == expected


def test_curvature_by_regime() -> None:
    known = {"sharpness": sharpness(0.5), "critical": fitted(runs(60, spread=0.01, seed=1))}
    assert judged("curvature-small", stability_limit=0.8, **known).verdict == "refuted"
    assert judged("curvature-large", stability_limit=0.8, **known).verdict == "supported"


def test_curvature_without_a_limit() -> None:
    found = judged("curvature-large", sharpness=sharpness(0.5), stability_limit=None)
    assert found.verdict == "not tested"
    assert "optimizer" in found.finding


@pytest.mark.parametrize(("exponent", "expected"), [(-0.51, "supported"), (-0.3, "refuted")])
def test_gradient_sqrt(exponent: float, expected: str) -> None:
    assert judged("gradient-sqrt", gradient_noise=gradients(exponent)).verdict == expected


@pytest.mark.parametrize(
    ("scale", "expected"), [(25.0, "supported"), (180.0, "undecided"), (2000.0, "refuted")]
)
def test_few_are_enough(scale: float, expected: str) -> None:
    assert judged("gradient-few", gradient_noise=gradients(scale=scale)).verdict == expected
