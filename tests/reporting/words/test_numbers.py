"""Numbers as a person reads them."""

import numpy as np
import pytest

from pipeline.reporting.words import numbers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.00002, "20 µs"),
        (0.0345, "34.5 ms"),
        (0.9996, "1.00 s"),
        (5.0, "5 s"),
        (300.0, "5 min"),
        (np.nan, "–"),
    ],
)
def test_durations_have_a_unit_that_fits(value: float, words: str) -> None:
    assert numbers.seconds(value) == words


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (1.1, "10 % more"),
        (1.574, "57 % more"),
        (2.0, "2 times as much"),
        (100.7, "101 times as much"),
    ],
)
def test_what_is_much_more_is_told_by_its_factor(times: float, words: str) -> None:
    assert numbers.more(times) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (12345.6, "12,300"),
        (0.123456, "0.123"),
        (0.97, "0.970"),
        (7.0, "7"),
        (7.01, "7.01"),
        (999.6, "1,000"),
        (130.4, "130"),
        (np.nan, "–"),
    ],
)
def test_numbers_have_three_digits(value: float, words: str) -> None:
    assert numbers.number(value) == words
    assert numbers.size(2048) == "2 KiB"
