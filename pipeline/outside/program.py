"""Call a program for every cell, some side by side, and keep what it wrote."""

import contextlib
import hashlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.errors import InputError
from pipeline.outside import curve
from pipeline.outside.curve import CurveError
from pipeline.params.settings import Cell
from pipeline.params.trainer import Trainer
from pipeline.workspace import files
from pipeline.workspace.processes import OnDone

LOGS = Path(".cache/logs")
TAIL = 200
"""So many characters of a log's end tell what went wrong."""


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


@dataclass
class Program:
    """A user's program. finished: the folder of tables of calls that have ended well, which are
    made once only."""

    trainer: Trainer
    finished: Path
    running: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    used: list[Path] = field(default_factory=list)
    has_failed: bool = False
    is_ended: bool = False

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

    def train(self, call: Call) -> pd.DataFrame | Failure:
        """The call's curve, by a call that is repeated ``trainer.retries`` times if it fails."""
        kept = self.finished / f"{call.name}-{call.steps}.csv"
        self.used.append(kept)
        if kept.is_file():
            return curve.read(kept)
        log = LOGS / f"{call.name}.log"
        reason = ""
        for _ in range(1 + self.trainer.retries):
            if self.is_ended:
                break
            out = kept.with_suffix(".unfinished.csv")
            out.unlink(missing_ok=True)
            try:
                self.run(self.words(call, out), log)
                table = curve.read(out)
                curve.check_length(table, call.steps)
                os.replace(out, kept)
                return table
            except CurveError as error:
                reason = str(error)
            finally:
                out.unlink(missing_ok=True)
        self.has_failed = True
        return Failure(reason, log)

    def clear(self) -> None:
        """Forget the calls that were finished here; if some failed, none, so that the others need
        not be made again."""
        if not self.has_failed:
            for path in self.used:
                path.unlink(missing_ok=True)

    def timed(self, call: Call) -> tuple[float, int, pd.DataFrame]:
        """The seconds of a call and the steps that they are for, by the program's own clock where
        it writes ``seconds``, and the call's curve.

        Raises CurveError where it fails, or diverges.
        """
        out, log = self.finished / f"timed-{call.name}.csv", LOGS / f"timed-{call.name}.log"
        out.unlink(missing_ok=True)
        try:
            wall = self.run(self.words(call, out), log)
            table = curve.read(out)
            lost = curve.diverged_step(table)
            if lost is not None:
                raise CurveError(f"diverged at step {lost}")
        except CurveError as error:
            raise CurveError(f"{call.steps} steps: {error} ({log})") from None
        finally:
            out.unlink(missing_ok=True)
        own = table.dropna(subset=["seconds"]) if "seconds" in table else table[:0]
        if own.empty:
            return wall, call.steps, table
        return float(own["seconds"].iloc[-1]), int(own["step"].iloc[-1]), table

    def run(self, words: Sequence[str], log: Path) -> float:
        """Run a command line to its end, its output in a log; the seconds it took.

        Raises CurveError where it ends with another status than 0 or takes too long, and InputError
        where there is no such program.
        """
        self.finished.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
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
            status = process.wait(self.trainer.timeout_seconds)
        except subprocess.TimeoutExpired:
            limit = f"{self.trainer.timeout_seconds:g} s (trainer.timeout_seconds)"
            raise CurveError(f"took longer than {limit}{said(log)}") from None
        finally:
            end(process)
            self.running.discard(process)
        if status != 0:
            how = f"status {status}" if status > 0 else signal.Signals(-status).name
            raise CurveError(f"ended with {how}{said(log)}")
        return time.perf_counter() - start

    def end(self) -> None:
        """End all calls under way, and begin no other."""
        self.is_ended = True
        for process in list(self.running):
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end_with_this_process() -> None:
    """Let a signal that ends this process raise, so that no call outlives it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def said(log: Path) -> str:
    """The last line of a log, as the end of a sentence."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return f": {lines[-1].strip()[-TAIL:]}" if lines else ""


def all_trained(
    program: Program, calls: Sequence[Call], on_done: OnDone
) -> list[pd.DataFrame | Failure]:
    """What each call gives, in order, ``trainer.at_once`` side by side."""

    def train(call: Call) -> pd.DataFrame | Failure:
        result = program.train(call)
        if not program.is_ended:
            on_done(1)
        return result

    with ThreadPoolExecutor(program.trainer.at_once) as pool:
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
