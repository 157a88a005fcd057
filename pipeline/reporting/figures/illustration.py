"""What a figure is: drawn from a study, with its caption and the table that holds its numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from pipeline.analysis.study import Study


def always(_: Study) -> bool:
    """Whether a figure has something to show: one that has in every study."""
    return True


@dataclass(frozen=True)
class Illustration:
    """How one figure is made.

    name: of its files and its place on the page. caption: the sentence that says what is seen,
    from the numbers. table: the file below reports/tables that holds them. has_data: whether a
    study has anything to show; the figure is left out where not.
    """

    name: str
    title: str
    table: str
    draw: Callable[[Study], Figure]
    caption: Callable[[Study], str]
    has_data: Callable[[Study], bool] = always
