"""What a stage hands out, and what whoever runs it has to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.executors.processes import OnDone


class Link(Protocol):
    """How a task reaches the stage that waits for it."""

    def on_done(self, count: int) -> None:
        """Hears how many units of work were just done."""

    def keep(self, path: Path) -> None:
        """Let the stage have a file, for whoever does the task again on another disk."""

    def fetch(self, path: Path) -> None:
        """Have the file that the stage has, or none if it has none."""


Task = Callable[[Link], Any]
"""A piece of work that may run anywhere, twice, or again: it can be pickled, changes nothing but
the files that it keeps, and gives the same bytes each time."""


class EnoughError(Exception):
    """Work was ended, for what it has kept is enough."""


def never() -> bool:
    """That it is enough only when it is done."""
    return False


@dataclass(frozen=True)
class Work:
    """Tasks, and the files below the working folder that they need.

    inputs: what they read. kept: the patterns of what they keep, which an attempt finds again.
    is_enough: whether all may be ended, by what they have kept.
    """

    label: str
    tasks: Sequence[Task]
    inputs: Sequence[Path]
    kept: Sequence[str] = ()
    is_enough: Callable[[], bool] = never


class Executor(Protocol):
    """Runs tasks somewhere."""

    def slots(self) -> int:
        """How many tasks run at once."""

    def run(self, work: Work, on_done: OnDone) -> list[Any]:
        """What the tasks give, in their order.

        Raises the first exception that a task raised, EnoughError where it was ended, and
        InputError where the machines that it needs are not there, or are lost for good.
        """
