"""Whether seeds or clock hide which batch size is fastest, where the truth is known."""

import numpy as np
import pytest

from pipeline.analysis import contest, foretold, ranking

MEANS = np.array([[0.0], [0.02], [0.05]])


def draws(of_seeds: float, of_clock: float, means: np.ndarray = MEANS) -> tuple[np.ndarray, ...]:
    """Log seconds of batch sizes with these standard errors: with more seeds, and with an exact
    clock."""
    rng = np.random.default_rng(0)
    seeds, clock = rng.standard_normal((2, len(means), ranking.DRAWS))
    fewer = of_seeds / np.sqrt(contest.TIMES_SEEDS)
    parts = ((fewer, of_clock), (of_seeds, 0.0))
    return tuple(means + by_seeds * seeds + by_clock * clock for by_seeds, by_clock in parts)


def test_what_hides_most_is_named() -> None:
    assert foretold.foretell(*draws(0.2, 0.05)).by_seeds
    assert not foretold.foretell(*draws(0.05, 0.2)).by_seeds


@pytest.mark.parametrize("of_clock", [0.05, 0.2])
def test_the_bound_is_what_so_many_seeds_leave(of_clock: float) -> None:
    """Of two that are alike: a one-sided normal bound of a difference."""
    made = foretold.foretell(*draws(0.2, of_clock, np.zeros((2, 1))))
    error = np.sqrt(2) * np.hypot(0.2 / np.sqrt(8), of_clock)
    assert made.with_seeds == pytest.approx(np.exp(2.241 * error), rel=0.03)


def test_what_is_shown_to_be_slower_then_does_not_count() -> None:
    means = np.array([[0.0], [0.02], [0.5]])
    without = foretold.foretell(*draws(0.2, 0.02, means[:2]))
    assert foretold.foretell(*draws(0.2, 0.02, means)).with_seeds == pytest.approx(
        without.with_seeds, rel=0.02
    )


def test_a_contest_ends_where_the_rest_is_alike() -> None:
    made = foretold.foretell(*draws(0.02, 0.001, 0 * MEANS))
    assert made.with_seeds == 1 + foretold.INDIFFERENCE


def test_batch_sizes_that_differ_are_told_apart() -> None:
    far = np.array([[0.0], [0.4], [0.5]])
    assert foretold.foretell(*draws(0.2, 0.02, far)).with_seeds is None
