"""Call a program for every cell, some side by side, and keep what it wrote.

A call may be ended before its end, once what it has written is enough: whoever asks says when.
"""

import glob
import hashlib
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.errors import InputError
from pipeline.executors.executor import EnoughError, Executor, Work
from pipeline.outside import curve, room
from pipeline.outside.curve import CurveError
from pipeline.outside.elsewhere import CallThere, Ended, end, tell_to_end
from pipeline.outside.room import Used
from pipeline.params.settings import Cell
from pipeline.params.trainer import Trainer
from pipeline.workspace import files

LOGS = Path(".cache/logs")
TAIL = 200
"""So many characters of a log's end tell what went wrong."""
LOOK_SECONDS, LOOK_SHARE = 0.5, 0.02
"""How long one waits before looking again at what a call has written, if it may be ended early: so
long, or this share of what it has taken."""


@dataclass(frozen=True)
class Call:
    """A cell to train for so many steps; its batch size is a number."""

    cell: Cell
    steps: int

    @property
    def name(self) -> str:
        """The cell's name in files and messages."""
        cell = self.cell
        return f"{cell.variant}-{cell.batch_size}-{cell.lr!r}-{cell.seed}"


@dataclass(frozen=True)
class Failure:
    """Why a call gave no training, and the log that tells more."""

    reason: str
    log: Path


@dataclass(frozen=True)
class Clocked:
    """A timed call of so many steps: the seconds from its start to its end, those that its training
    took for the steps that it told of, by the program's own clock where it writes ``seconds``, its
    curve, and what it used."""

    asked: int
    wall: float
    seconds: float
    steps: int
    table: pd.DataFrame
    used: Used


@dataclass(frozen=True)
class Told:
    """What a call told: its curve, and whether the call came to its end."""

    curve: pd.DataFrame
    is_whole: bool = True


IsEnough = Callable[[Call, pd.DataFrame], bool]
"""A call and what it has written so far to whether that is enough of it."""


@dataclass
class Program:
    """A user's program.

    finished: the folder of tables of calls that have ended well, which are made once only. cluster:
    where calls are made, None for this machine; inputs: the files that they need there.
    """

    trainer: Trainer
    finished: Path
    cluster: Executor | None = None
    inputs: Sequence[Path] = ()
    running: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    used: list[Path] = field(default_factory=list)
    has_failed: bool = False
    is_ended: bool = False

    @property
    def at_once(self) -> int:
        """How many calls are made side by side: on a cluster, as many as it has room for."""
        if self.cluster:
            return self.cluster.slots()
        asked = self.trainer.at_once
        return room.measured() if asked == "auto" else int(asked)

    def words(self, call: Call, out: Path) -> list[str]:
        """The command line, word by word: no shell reads it."""
        assert self.trainer.command is not None
        cell = call.cell
        values = {
            "variant": cell.variant,
            "batch_size": cell.batch_size,
            "lr": cell.lr,
            "seed": cell.seed,
            "steps": call.steps,
            "out": out,
        }
        return [word.format(**values) for word in shlex.split(self.trainer.command)]

    def places(self, call: Call) -> tuple[Path, Path]:
        """Where the table of a call is kept, a whole one and one that was ended early."""
        kept = self.finished / f"{call.name}-{call.steps}.csv"
        return kept, kept.with_suffix(".begun.csv")

    def known(self, call: Call) -> Told | None:
        """What was kept of a call that was made before; None where nothing was."""
        kept, begun = self.places(call)
        if kept.is_file():
            return Told(curve.read(kept))
        table = curve.so_far(begun)
        return None if table is None else Told(table, is_whole=False)

    def train(self, call: Call, is_enough: IsEnough | None = None) -> Told | Failure:
        """What the call tells; it is made again ``trainer.retries`` times if it fails.

        is_enough: ends the call before its end; None where it must not be.
        """
        kept, begun = self.places(call)
        self.used += [kept, begun]
        before = self.known(call)
        if before and (before.is_whole or (is_enough and is_enough(call, before.curve))):
            return before
        log = LOGS / f"{call.name}.log"
        reason = ""
        for _ in range(1 + self.trainer.retries):
            if self.is_ended:
                break
            try:
                return self.trained(call, kept, begun, log, is_enough)
            except CurveError as error:
                reason = str(error)
        self.has_failed = True
        return Failure(reason, log)

    def trained(
        self, call: Call, kept: Path, begun: Path, log: Path, is_enough: IsEnough | None
    ) -> Told:
        """What one call tells, which is kept, whole or begun.

        Raises CurveError where it fails before that is enough.
        """
        out = kept.with_suffix(".unfinished.csv")
        out.unlink(missing_ok=True)
        enough: list[pd.DataFrame] = []

        def look() -> bool:
            table = curve.so_far(out)
            if is_enough and table is not None and is_enough(call, table):
                enough.append(table)
            return bool(enough)

        try:
            self.run(self.words(call, out), out, log, look if is_enough else None)
            table = curve.read(out)
            curve.check_length(table, call.steps)
            os.replace(out, kept)
            return Told(table)
        except CurveError:
            if not look():
                raise
            # its own table may have been left half-written when it was told to end
            files.write_csv(begun, enough[-1])
            return Told(enough[-1], is_whole=False)
        finally:
            out.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget the calls that were finished here; if some failed, none, so that the others need
        not be made again."""
        if not self.has_failed:
            for path in self.used:
                path.unlink(missing_ok=True)

    def timed(self, call: Call) -> Clocked:
        """A call on the clock.

        Raises CurveError where it fails, or diverges.
        """
        out, log = self.finished / f"timed-{call.name}.csv", LOGS / f"timed-{call.name}.log"
        out.unlink(missing_ok=True)
        before = Used.so_far()
        try:
            wall = self.run(self.words(call, out), out, log, is_timed=True)
            table = curve.read(out)
            lost = curve.diverged_step(table)
            if lost is not None:
                raise CurveError(f"diverged at step {lost}")
        except CurveError as error:
            raise CurveError(f"{call.steps} steps: {error} ({log})") from None
        finally:
            out.unlink(missing_ok=True)
        own = curve.with_seconds(table)
        seconds, steps = wall, call.steps
        if not own.empty:
            seconds, steps = float(own["seconds"].iloc[-1]), int(own["step"].iloc[-1])
        return Clocked(call.steps, wall, seconds, steps, table, Used.so_far().since(before))

    def run(
        self,
        words: Sequence[str],
        out: Path,
        log: Path,
        is_enough: Callable[[], bool] | None = None,
        is_timed: bool = False,
    ) -> float:
        """Run a command line to its end, its table in ``out``, its output in a log; the seconds it
        took.

        is_enough: whether it may be told to end. is_timed: whether this machine is to be timed by
        it, and no node of a cluster.

        Raises CurveError where it was, ends with another status than 0 or takes too long, and
        InputError where there is no such program.
        """
        self.finished.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        if self.cluster and not is_timed:
            ended = self.run_there(self.cluster, words, out, log, is_enough)
        else:
            ended = self.run_here(words, log, is_enough)
        if ended.status is None:
            limit = f"{self.trainer.timeout_seconds:g} s (trainer.timeout_seconds)"
            raise CurveError(f"took longer than {limit}{said(log)}")
        if ended.status:
            how = (
                signal.Signals(-ended.status).name if ended.status < 0 else f"status {ended.status}"
            )
            raise CurveError(f"ended with {how}{said(log)}")
        return ended.seconds

    def run_there(
        self,
        cluster: Executor,
        words: Sequence[str],
        out: Path,
        log: Path,
        is_enough: Callable[[], bool] | None,
    ) -> Ended:
        """Run a command line on a node.

        Raises CurveError where it was told to end.
        """
        call = CallThere(words, out, log, self.trainer.timeout_seconds)

        def may_end() -> bool:
            return self.is_ended or bool(is_enough and is_enough())

        kept = [path.as_posix() for path in (out, log)]
        work = Work(log.stem, [call], self.inputs, [glob.escape(path) for path in kept], may_end)
        try:
            (ended,) = cluster.run(work, lambda _: None)
        except EnoughError:
            raise CurveError("was told to end") from None
        assert isinstance(ended, Ended)
        return ended

    def run_here(
        self, words: Sequence[str], log: Path, is_enough: Callable[[], bool] | None
    ) -> Ended:
        """Run a command line on this machine.

        Raises CurveError where it was told to end.
        """
        start = time.perf_counter()
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                rule = f"cannot be started: {error.strerror}"
                raise InputError(f"trainer.command: {words[0]!r} {rule}") from None
        self.running.add(process)
        try:
            if self.is_ended:
                raise CurveError("was ended")
            status: int | None = self.waited(process, is_enough)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end(process)
            self.running.discard(process)
        return Ended(status, time.perf_counter() - start)

    def waited(
        self, process: "subprocess.Popen[bytes]", is_enough: Callable[[], bool] | None
    ) -> int:
        """A process's status.

        Raises subprocess.TimeoutExpired where it takes too long, and CurveError where it was told
        to end, for that is enough.
        """
        limit = self.trainer.timeout_seconds
        if is_enough is None:
            return process.wait(limit)
        start = time.monotonic()
        while True:
            taken = time.monotonic() - start
            left = math.inf if limit is None else max(0.0, limit - taken)
            pause = max(LOOK_SECONDS, LOOK_SHARE * taken)
            try:
                return process.wait(min(pause, left))
            except subprocess.TimeoutExpired:
                if is_enough():
                    tell_to_end(process)
                    raise CurveError("was told to end") from None
                if left <= pause:
                    raise

    def end(self) -> None:
        """End all calls under way, and begin no other."""
        self.is_ended = True
        for process in list(self.running):
            end(process)


def end_with_this_process() -> None:
    """Let a signal that ends this process raise, so that no call outlives it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def said(log: Path) -> str:
    """The last line of a log, as the end of a sentence."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return f": {lines[-1].strip()[-TAIL:]}" if lines else ""


def side_by_side(
    program: Program, calls: Sequence[Call], train: Callable[[Call], Told | Failure]
) -> list[Told | Failure]:
    """What each call gives, in order, ``at_once`` at a time; all end with this process."""
    with ThreadPoolExecutor(program.at_once) as pool:
        try:
            futures = [pool.submit(train, call) for call in calls]
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            program.end()
            raise


def digest(command: str, watched: Sequence[str]) -> str:
    """What finished calls depend on: the command, and what its files hold, as noted."""
    content = hashlib.sha256(command.encode())
    for name in watched:
        content.update(files.watched(name).read_bytes())
    return content.hexdigest()[:16]


def inputs(watched: Sequence[str]) -> list[Path]:
    """The files below the working folder that calls need, as DVC watches them."""
    found: list[Path] = []
    for path in map(Path, watched):
        if not path.is_absolute() and ".." not in path.parts:
            found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [path for path in found if path.is_file()]
