"""A figure and what is said about it."""

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Illustration:
    """A figure with the sentence that says what it shows, its alternative text and its table."""

    name: str
    title: str
    caption: str
    figure: Figure
    table: str
