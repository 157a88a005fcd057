"""What a pilot reached."""

import numpy as np
import pytest

from makers.grid import history, lanes
from pipeline.errors import InputError
from pipeline.race import bar, rule
from pipeline.race.bar import Bar
from pipeline.selection import targets
from pipeline.selection.targets import Validation

VALIDATION = Validation("classification", 400)
CURVES = {
    (8, 0.1, 0): [0.1, 0.2, 0.93, 0.95],
    (8, 0.1, 1): [0.1, 0.2, 0.92, 0.95],
    (8, 1.0, 0): [0.1, 0.9, 0.95, 0.95],
    (8, 1.0, 1): [0.1, 0.91, 0.95, 0.95],
}
LANES = lanes(*[(*key, scores[-1]) for key, scores in CURVES.items()])


def test_it_is_the_automatic_target_of_the_pilot_alone() -> None:
    found = bar.bar_of(LANES, history(CURVES), "val_score", "auto", VALIDATION)
    assert found is not None
    smooth = targets.curves(LANES, history(CURVES), "val_score")
    assert found.value == targets.auto_target(LANES, smooth, "val_score", VALIDATION, 8)
    assert (found.batch_size, found.lr) == (8, 1.0)


def test_a_target_that_is_set_is_the_bar() -> None:
    found = bar.bar_of(LANES, history(CURVES), "val_score", 0.5, VALIDATION)
    assert found == Bar("val_score", 0.5, 8, 1.0)


def test_what_the_pilot_does_not_reach_is_raced_to_without_a_rate() -> None:
    found = bar.bar_of(LANES, history(CURVES), "val_score", 0.99, VALIDATION)
    assert found == Bar("val_score", 0.99, 8, None)
    assert rule.bracket([0.1, 10.0], found, 4) == [0.1, 10.0]


def test_there_is_none_where_everything_diverges() -> None:
    lost = lanes((8, 0.1, 0, np.nan), (8, 0.1, 1, np.nan))
    started = history({key: [0.1] for key in CURVES if key[1] == 0.1})
    assert bar.bar_of(lost, started, "val_score", "auto", VALIDATION) is None


def test_a_bar_checks_itself() -> None:
    with pytest.raises(InputError, match="lr"):
        Bar("val_score", 0.9, 8, 0.0)


def test_a_pack_that_gets_less_far_lowers_it() -> None:
    found = Bar("val_score", 0.97, 8, 1.0)
    smooth = targets.curves(LANES, history(CURVES), "val_score")
    expected = targets.eased(targets.tuned_bests(LANES, smooth).iloc[0], "val_score", VALIDATION)
    assert bar.lowered(found, LANES, history(CURVES), VALIDATION) == expected < 0.95
    easy = Bar("val_score", 0.8, 8, 1.0)
    assert bar.lowered(easy, LANES, history(CURVES), VALIDATION) == 0.8


def test_a_pack_that_was_stopped_does_not_lower_it() -> None:
    """What it would have reached is not known, and the target will not follow it."""
    found = Bar("val_score", 0.97, 8, 1.0)
    stopped = LANES.assign(status="stopped")
    assert bar.lowered(found, stopped, history(CURVES), VALIDATION) == 0.97


def test_a_pilot_that_gave_no_training_sets_none() -> None:
    """All calls of a program may fail at one batch size, which costs that one alone."""
    found = Bar("val_score", 0.9, 8, 1.0)
    for value in ("auto", 0.9):
        assert bar.bar_of(LANES[:0], history({}), "val_score", value, VALIDATION) is None
    assert bar.lowered(found, LANES[:0], history({}), VALIDATION) == found.value
