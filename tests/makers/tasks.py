"""Tasks for whoever runs them."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.executors.executor import Link


@dataclass(frozen=True)
class Doubled:
    """Twice the number in a file, which is one of the inputs; tells so much."""

    path: Path
    count: int

    def __call__(self, link: Link) -> int:
        link.on_done(self.count)
        return 2 * int(self.path.read_text())


@dataclass(frozen=True)
class Killed:
    """Keeps a file and kills its process, as often as it may; then tells what it found."""

    deaths: int

    def __call__(self, link: Link) -> tuple[int, int]:
        path = Path("kept/count")
        path.unlink(missing_ok=True)  # another attempt may have run on this node
        link.fetch(path)
        died = int(path.read_text()) if path.is_file() else 0
        if died < self.deaths:
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(died + 1))
            link.keep(path)
            os.kill(os.getpid(), signal.SIGKILL)
        return died, os.getpid()


def refused(_: Link) -> None:
    raise InputError("key: 3 is wrong")


def failed(_: Link) -> None:
    raise ZeroDivisionError("here")


@dataclass(frozen=True)
class Endless:
    """Keeps a file, and goes on until it is told to end."""

    def __call__(self, link: Link) -> None:
        path = Path("kept/started")
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(os.getpid()))
        link.keep(path)
        while True:
            time.sleep(0.05)


@dataclass(frozen=True)
class Nothing:
    """Does nothing."""

    def __call__(self, _: Link) -> None:
        pass


@dataclass(frozen=True)
class Importing:
    """Imports what trains."""

    def __call__(self, _: Link) -> None:
        import pipeline.lanes.elsewhere  # noqa: F401
