"""How long a study will take, told from the seconds of lone steps."""

from dataclasses import replace

import pytest

from pipeline import forecast as forecasts
from pipeline import outlook
from pipeline.forecast import (
    FEWEST_STEPS,
    START_SECONDS,
    TRAINED_SHARE,
    Forecast,
    duration,
    forecast,
    overhead,
    words,
)
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import Confirm, Grid, Impl, Limits
from pipeline.params.schedule import Budget

EXAMPLES = 1000


def params(epochs: int = 10, seeds: int = 3, extensions: int = 0) -> Params:
    """A study of two batch sizes, the second of them all examples."""
    grid = Grid(["baseline"], [10, "full"], lr=[0.1, 1.0], seeds=seeds, extensions=extensions)
    return Params(grid=grid, budget=Budget(epochs, 20, 5), confirm=Confirm(seeds=5))


def made(given: Params, overhead: float = 1e-3, example: float = 1e-6) -> Forecast:
    """The forecast where a lone step takes ``overhead`` and ``example`` for each example."""
    seconds = {("baseline", size): overhead + example * size for size in (10, EXAMPLES)}
    return forecast(given, seconds, EXAMPLES, at_once=2)


def test_it_grows_with_what_is_trained() -> None:
    base = made(params())
    assert base.steps == 2 * 3 * (10 * 100 + 20)
    training = base.total - 2 * START_SECONDS
    longer = made(params(epochs=20)).total - 2 * START_SECONDS
    assert longer == pytest.approx(2 * training, rel=0.15)
    assert made(params(seeds=6)).total > base.total
    assert made(params(extensions=4)).total > base.total
    assert made(params(), overhead=2e-3).total > base.total


def test_cells_that_train_alone_share_nothing() -> None:
    alone = [replace(params(), impl=Impl(engine="loop")), replace(params(), model=Model("a:b"))]
    for given in alone:
        assert made(given).total > 3 * (made(params()).total - 2 * START_SECONDS)


def test_the_overhead_of_a_step() -> None:
    assert overhead({10: 1.1, 100: 2.0}) == pytest.approx(1.0)
    assert overhead({256: 1.0, 6000: 30.0}) == 0.0
    assert overhead({32: 1.0}) == 0.0


def test_a_batch_size_that_was_not_timed_is_left_out() -> None:
    found = forecast(params(), {("baseline", 10): 1e-3}, EXAMPLES, 2)
    assert set(found.seconds) == {("baseline", 10)}


def test_short_studies_are_told_in_a_sentence() -> None:
    told = (
        "the grid trains 6,120 steps; with added rates and fresh seeds that takes about 7 seconds"
    )
    assert words(made(params()), raced=False) == told
    raced = " if all train whole; the study is raced, and takes less"
    assert words(made(params()), raced=True) == told + raced


def test_what_is_done_tells_of_what_is_left() -> None:
    found = made(params(epochs=10_000))
    first = next(iter(found.seconds))
    left = found.total - found.seconds[first]
    for pace in (0.5, 1.0, 3.0):
        text = outlook.words(found, {first: pace * found.seconds[first]})
        assert text.startswith(f"1 of 2 packs trained, in {pace:.2f} times what was predicted; ")
        assert f"about {duration(pace * left)} left" in text
    everything = outlook.words(found, dict(found.seconds))
    assert f"about {duration(sum(found.fresh_seconds.values()))} left" in everything
    assert outlook.words(found, {}) == ""
    assert outlook.words(found, {("another", 1): 3.0}) == ""


def test_long_studies_are_told_what_would_be_cheaper() -> None:
    text = words(made(params(epochs=10_000)), raced=False)
    assert "about 33 minutes. At least half of it goes to batch size 10. Cheaper: leave" in text
    assert "grid.race=true" in text
    assert "grid.race=true" not in words(made(params(epochs=10_000)), raced=True)
    assert made(params(epochs=10_000)).dearest() == [10]


def test_a_bounded_study_gives_every_pack_the_same_seconds() -> None:
    long = made(params(epochs=10_000))
    steps = long.steps_within(120.0)
    spent = {pack: START_SECONDS + steps[pack] * long.step_seconds[pack] for pack in steps}
    for seconds in spent.values():
        assert seconds == pytest.approx(TRAINED_SHARE * 120.0 / 2, rel=0.01)
    assert set(long.steps_within(0.001).values()) == {FEWEST_STEPS}


@pytest.mark.parametrize(
    ("race", "limits", "seconds", "is_raced"),
    [
        ("auto", Limits(), 119.0, False),
        ("auto", Limits(), 121.0, True),
        (False, Limits(), 121.0, False),
        (True, Limits(), 119.0, True),
        ("auto", Limits(study_seconds=300), 299.0, False),
        (False, Limits(study_seconds=300), 301.0, True),
    ],
)
def test_what_takes_long_is_raced(
    race: bool | str, limits: Limits, seconds: float, is_raced: bool
) -> None:
    study = Params(limits=limits, grid=Grid(race=race))
    found = Forecast({("baseline", 8): seconds}, {}, {}, {}, 1)
    assert forecasts.is_raced(study, found) is is_raced
