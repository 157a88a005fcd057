"""How much of a task is done: told where it runs, heard where one waits for it."""

import time
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass, field
from typing import ClassVar

from pipeline.executors.processes import OnDone


@dataclass(kw_only=True)
class Telling(ABC):
    """What a task has done so far, told every so many seconds at most."""

    every_seconds: ClassVar[float]
    done: int = 0
    told_at: float = 0.0

    def on_done(self, count: int) -> None:
        """So many more units of work are done."""
        self.done += count
        if time.monotonic() - self.told_at > self.every_seconds:
            self.told_at = time.monotonic()
            self.tell()

    @abstractmethod
    def tell(self) -> None:
        """Let the stage know what is done."""


@dataclass(frozen=True)
class Heard:
    """What tasks have told, by their numbers; on_done hears of what is new."""

    on_done: OnDone
    done: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def hear(self, number: int, count: int) -> None:
        """So much of a task is done; one that began again tells less than before."""
        self.on_done(max(0, count - self.done[number]))
        self.done[number] = max(count, self.done[number])
