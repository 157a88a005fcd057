"""A figure and what is said about it; figures of one subject."""

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


@dataclass(frozen=True)
class Section:
    """Illustrations of one subject, and what could not be measured of it."""

    name: str
    title: str
    illustrations: tuple[Illustration, ...]
    missing: tuple[str, ...] = ()
