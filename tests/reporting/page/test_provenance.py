"""How a report says that it came about, and its marked-up words."""

from makers.reports import MADE
from pipeline.reporting.page import page


def test_the_command_that_makes_it_again() -> None:
    assert MADE.command == (
        "python -m pipeline.stages.config ++budget.epochs=4 '++grid.lr=[0.1, 1.0]' && dvc repro"
    )


def test_the_time_of_stages_is_told_as_far_as_it_is_known() -> None:
    assert MADE.facts["time of the stages"] == (
        "preprocess 1.50 s, train 2 s (1 of 2 packs, the others restored from the cache), "
        "confirm restored from the cache"
    )


def test_words_of_the_page_are_escaped_and_set() -> None:
    assert page.with_code("<a> `b` c") == "&lt;a&gt; <code>b</code> c"
    assert "<br>" in page.stacked("3 (2 to 4)")
    assert page.stacked("1077 (full)") == "1077 (full)"
