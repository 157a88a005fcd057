"""Claims about steps and learning rates, on tables with known answers."""

import pandas as pd
import pytest

from makers.curves import SIZES, runs, window_table
from makers.study import study_of
from pipeline.analysis import critical, rates
from pipeline.analysis.claims import ledger
from pipeline.analysis.rates import Surface
from pipeline.params.settings import Settings
from pipeline.selection.statistics import UNKNOWN, Estimate


def verdict(name: str, size: float = 60, surface: Surface | None = None) -> str:
    """The verdict where the critical batch size, and the surface of rates, are known."""
    data = runs(size, spread=0.01, seed=1)
    curves = pd.DataFrame(
        {"variant": "baseline", "batch_size": [16, 16], "step": [62, 31], "epoch": [1.0, 0.5]}
    )
    study = study_of(
        overheads=critical.overheads(data.means, 0),
        windows=rates.windows(*window_table(0.5)),
        rate_surface=surface,
        curves=curves,
        settings={"baseline": Settings()},
    )
    judges = {claim.id: claim.judge for claim in ledger.in_order()}
    return judges[name](study).verdict


@pytest.mark.parametrize(("size", "expected"), [(1e6, "supported"), (60, "refuted")])
def test_the_constant_product(size: float, expected: str) -> None:
    assert verdict("constant-product", size) == expected


def test_it_says_up_to_which_batch_size_it_holds() -> None:
    data = runs(60, spread=0.01, seed=1)
    study = study_of(overheads=critical.overheads(data.means, 0))
    judge = {claim.id: claim.judge for claim in ledger.in_order()}["constant-product"]
    finding = judge(study).finding
    assert f"Batch size {SIZES[-1]:.0f} needs" in finding
    assert "up to 8 none is shown" in finding or "up to 16 none is shown" in finding


@pytest.mark.parametrize(
    ("low", "high", "linear", "root"),
    [(0.9, 1.1, "supported", "refuted"), (0.4, 0.6, "refuted", "supported"),
     (-0.2, 0.2, "refuted", "refuted"), (0.6, 1.1, "undecided", "refuted"),
     (0.2, 1.2, "undecided", "undecided")],
)  # fmt: skip
def test_the_scaling_rules(low: float, high: float, linear: str, root: str) -> None:
    exponent = Estimate((low + high) / 2, low, high, 9)
    for surface in (
        Surface(UNKNOWN, UNKNOWN, exponent, None, 0.0),
        Surface(exponent, Estimate(0, -0.1, 0.1, 9), Estimate(0.3, 0.2, 0.4, 9), 60.0, 0.0),
    ):
        assert verdict("scale-linear", surface=surface) == linear
        assert verdict("scale-sqrt", surface=surface) == root


def test_without_an_interval_no_rule_is_refuted() -> None:
    exponent = Estimate(0.56, float("nan"), float("nan"), 3)
    surface = Surface(UNKNOWN, UNKNOWN, exponent, None, 0.0)
    for rule in ("scale-linear", "scale-sqrt"):
        assert verdict(rule, surface=surface) == "undecided"


def test_without_a_curve_no_rule_is_tested() -> None:
    nothing = Surface(UNKNOWN, UNKNOWN, UNKNOWN, None, float("nan"))
    assert verdict("scale-linear", surface=nothing) == "not tested"


def test_the_window_and_the_epochs() -> None:
    assert verdict("lr-window") == "supported"
    assert verdict("epoch-steps") == "supported"


@pytest.mark.parametrize("claim", ["lr-window", "lr-finder-valley", "generalise-tuned"])
def test_what_takes_whole_trainings_is_not_told_of_a_race(claim: str) -> None:
    (judge,) = (known.judge for known in ledger.in_order() if known.id == claim)
    outcome = judge(study_of(raced=pd.DataFrame({"status": ["stopped"]})))
    assert outcome.verdict == "not tested"
    assert "grid.race" in outcome.finding
