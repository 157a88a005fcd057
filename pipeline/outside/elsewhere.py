"""A call of the user's program on a node of a cluster."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.executors.executor import Link

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
"""A program that is told to end has so long for it."""
SET_PARENT_DEATH_SIGNAL = 1
"""Of Linux' prctl."""


@dataclass(frozen=True)
class Ended:
    """How a call ended: its status, None where it took too long, and its seconds."""

    status: int | None
    seconds: float


@dataclass(frozen=True)
class CallThere:
    """A command line, the table that it writes, its log and the longest that it may take."""

    words: Sequence[str]
    out: Path
    log: Path
    timeout_seconds: float | None

    def __call__(self, link: Link) -> Ended:
        """Run it to its end, and let the stage have what it writes, as it writes.

        Raises InputError where there is no such program.
        """
        for path in (self.out, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.out.unlink(missing_ok=True)
        start = time.perf_counter()
        with self.log.open("wb") as output:
            process = started(self.words, output.fileno())
        try:
            status = self.waited(process, link, start)
        except BaseException:
            tell_to_end(process)
            raise
        finally:
            end(process)
        for path in (self.out, self.log):
            if path.is_file():
                link.keep(path)
        return Ended(status, time.perf_counter() - start)

    def waited(self, process: "subprocess.Popen[bytes]", link: Link, start: float) -> int | None:
        """A process's status, None where it takes too long."""
        seen = 0
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(LOOK_SECONDS)
            if self.timeout_seconds and time.perf_counter() - start > self.timeout_seconds:
                return None
            size = self.out.stat().st_size if self.out.is_file() else 0
            if size != seen:
                seen = size
                with contextlib.suppress(FileNotFoundError):  # it is just being written anew
                    link.keep(self.out)


def started(words: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
    """A process that leads a group of its own, and dies with the one that started it.

    Raises InputError where there is no such program.
    """
    library = ctypes.CDLL(None)  # looked up before the fork

    def die_with_parent() -> None:
        library.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)

    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing that locks
        )
    except OSError as error:
        node, rule = os.uname().nodename, f"cannot be started: {error.strerror}"
        raise InputError(f"trainer.command: {words[0]!r} {rule} on {node}") from None


def tell_to_end(process: "subprocess.Popen[bytes]") -> None:
    """Let a process end itself, if it does within PATIENCE_SECONDS."""
    with contextlib.suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
