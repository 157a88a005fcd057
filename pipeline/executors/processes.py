"""The one pool of processes: every job in a fork of its own, results in order, no error lost.

Training, measuring and drawing run in it. Forks share what the parent holds in memory and start
at once; what a job returns comes back through a pipe.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

from pipeline.errors import InputError
from pipeline.host import available_cores

OnDone = Callable[[int], None]
"""Hears how many more units of work were just done."""
Job = Callable[[OnDone], Any]
Item = TypeVar("Item")


class ProcessDiedError(InputError):
    """A process ended without a result: the system or a person killed it."""


def in_processes(jobs: Sequence[Job], on_done: OnDone) -> list[Any]:
    """Run each job in a fork; their results in the jobs' order.

    Raises the first exception that a job raised, with the job's traceback as a note, and
    ProcessDiedError where a process was killed; the other processes are ended then.
    """
    context = multiprocessing.get_context("fork")
    connections: list[Connection] = []
    processes: list[BaseProcess] = []
    for job in jobs:
        ours, theirs = context.Pipe(duplex=False)
        process: BaseProcess = context.Process(target=_work, args=(theirs, job))
        process.start()
        theirs.close()
        connections.append(ours)
        processes.append(process)
    try:
        return _collected(connections, processes, on_done)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def dealt(
    items: Sequence[Item], job_of: Callable[[Sequence[Item]], Job], on_done: OnDone
) -> list[Any]:
    """What jobs make of items, in the items' order: one job for each core and its share of them,
    which gives a list.

    Raises as ``in_processes``.
    """
    count = min(len(items), available_cores())
    shares = in_processes([job_of(items[place::count]) for place in range(count)], on_done)
    return [shares[place % count][place // count] for place in range(len(items))]


def _collected(
    connections: Sequence[Connection], processes: Sequence[BaseProcess], on_done: OnDone
) -> list[Any]:
    results: dict[int, Any] = {}
    while len(results) < len(connections):
        waiting = [place for place in range(len(connections)) if place not in results]
        ready = wait([connections[place] for place in waiting])
        for place in (place for place in waiting if connections[place] in ready):
            try:
                kind, content = connections[place].recv()
            except EOFError:
                raise _died(processes[place]) from None
            if kind == "progress":
                on_done(content)
            elif kind == "failed":
                raise content
            else:
                results[place] = content
    return [results[place] for place in range(len(connections))]


def _died(process: BaseProcess) -> ProcessDiedError:
    process.join()
    code = process.exitcode or 0
    end = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    return ProcessDiedError(f"a worker process {end} before it was done")


def _work(connection: Connection, job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and ends its children
    parent = os.getppid()

    def on_done(count: int) -> None:
        if os.getppid() != parent:  # the parent was killed: leave its checkpoints to its successor
            os._exit(1)
        connection.send(("progress", count))

    try:
        connection.send(("done", job(on_done)))
    except BaseException as error:
        connection.send(("failed", sendable(error)))


def sendable(error: BaseException) -> BaseException:
    """The exception that is being handled with its traceback as a note, or its words where it does
    not survive the way to another process."""
    error.add_note(traceback.format_exc())
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))  # as the pipe will
    except Exception:  # whatever an exception's own constructor raises
        in_words = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            in_words.add_note(note)
        return in_words
    return error
