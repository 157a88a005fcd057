"""A verdict is read from an interval, and an undecided one says what it would take."""

import numpy as np
import pytest

from pipeline.analysis.claims.claim import Outcome, Region, judged
from pipeline.selection.statistics import UNKNOWN, Estimate

GROWS = Region(0, np.inf, step=0.25)
EQUAL = Region(0.75, 1.25, step=0.25)
FASTER = Region(1.02, np.inf, step=0.1, is_ratio=True)


@pytest.mark.parametrize(
    ("region", "low", "high", "verdict"),
    [
        (GROWS, 0.1, 0.3, "supported"), (GROWS, -0.3, -0.1, "refuted"),
        (GROWS, -0.1, 0.3, "undecided"), (EQUAL, 0.8, 1.2, "supported"),
        (EQUAL, 0.1, 0.7, "refuted"), (EQUAL, 1.3, 2.0, "refuted"),
        (EQUAL, 0.5, 2.0, "undecided"), (FASTER, 1.0, 1.01, "refuted"),
    ],
)  # fmt: skip
def test_verdicts(region: Region, low: float, high: float, verdict: str) -> None:
    effect = Estimate((low + high) / 2, low, high, 5)
    assert judged(effect, region, "seeds", "").verdict == verdict


def test_what_it_would_take_follows_the_square_root() -> None:
    """An interval that is twice too wide needs four times the sample."""
    assert GROWS.needed(Estimate(0.1, -0.1, 0.3, 5), "seeds") == "about 20 seeds instead of 5"
    effect = Estimate(1.02 * np.e, 1.02 * np.e**-1, 1.02 * np.e**3, 3)
    assert FASTER.needed(effect, "sizes") == "about 12 sizes instead of 3"


def test_an_effect_at_the_limit_is_told_from_one_that_needs_more() -> None:
    assert "more than 20 times as many seeds" in GROWS.needed(Estimate(0.0001, -1, 1, 5), "seeds")
    assert "no interval" in GROWS.needed(Estimate(0.1, np.nan, np.nan, 1), "seeds")
    assert judged(Estimate(0.1, np.nan, np.nan, 1), GROWS, "seeds", "").verdict == "undecided"


def test_only_what_is_undecided_needs_something() -> None:
    with pytest.raises(AssertionError):
        Outcome("undecided", UNKNOWN, "")
    with pytest.raises(AssertionError):
        Outcome("mixed", UNKNOWN, "")
