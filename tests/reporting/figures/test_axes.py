"""Axes that all figures share."""

import pytest
from matplotlib.figure import Figure

from pipeline.reporting.figures.axes import plain_log


@pytest.mark.parametrize(
    ("top", "labels"),
    [(1.2, ["0.9", "1", "1.1"]), (40.0, ["1", "2", "5", "10", "20"])],
)
def test_a_log_axis_is_labelled_by_what_it_shows_in_the_end(top: float, labels: list[str]) -> None:
    """Whatever is drawn later, or is narrower than a factor of two."""
    figure = Figure()
    axis = figure.subplots()
    axis.plot([0, 1], [0.85, 1.15])
    plain_log(axis)
    axis.set_ylim(0.85, top)
    figure.draw_without_rendering()
    shown = [
        label.get_text()
        for label, place in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)
        if 0.85 <= place < top
    ]
    assert shown == labels
