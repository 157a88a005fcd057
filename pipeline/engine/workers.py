"""A pack over several processes, each with one intra-op thread.

Networks this small keep one core busy; threads inside an operation would only wait for each
other. Processes are forked, so that they share the data and start at once.
"""

import functools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

import torch

from pipeline.data.tensors import Dataset
from pipeline.engine import run
from pipeline.engine.pack import Pack, Trained, interleaved
from pipeline.engine.plan import Plan, make_plan
from pipeline.engine.run import OnSteps, Store
from pipeline.params import Impl

Job = Callable[[OnSteps], Any]


class WorkerDiedError(RuntimeError):
    """A worker process ended without a result."""


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    pack: Pack, data: Dataset, plan: Plan, on_steps: OnSteps, store: Store | None = None
) -> Trained:
    """Train the pack over ``plan.workers`` processes; every k-th cell goes to the k-th.

    Raises WorkerDiedError when a process is killed, and whatever a worker raised.
    """
    on_cpu = data.train.x.device.type == "cpu"
    if plan.workers == 1 or not on_cpu:
        if not on_cpu:
            return run.train(pack, data, plan, on_steps, store)
        with one_thread():
            return run.train(pack, data, plan, on_steps, store)
    slices = [pack.part(range(k, len(pack.cells), plan.workers)) for k in range(plan.workers)]
    jobs = [functools.partial(_train_slice, own, data, plan, store) for own in slices]
    return interleaved(in_processes(jobs, on_steps))


def _train_slice(
    pack: Pack, data: Dataset, plan: Plan, store: Store | None, on_steps: OnSteps
) -> Trained:
    return run.train(pack, data, plan, on_steps, store)


def planned(pack: Pack, data: Dataset, impl: Impl) -> Plan:
    """``make_plan``, on a CPU in a process of its own.

    It traces gradients, and a process that has run autograd can fork no workers that run it too.
    """
    if data.train.x.device.type != "cpu":
        return make_plan(pack, data, impl)
    import torch._inductor.standalone_compile  # noqa: F401 - make_fx wants it: once, not per fork

    (plan,) = in_processes([lambda _: make_plan(pack, data, impl)], lambda _: None)
    assert isinstance(plan, Plan)
    return plan


def in_processes(jobs: Sequence[Job], on_steps: OnSteps) -> list[Any]:
    """Run each job in a fork; their results in order."""
    context = multiprocessing.get_context("fork")
    connections, processes = [], []
    with one_thread():  # forking is safe while no thread pool has been started
        for job in jobs:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, job))
            process.start()
            theirs.close()
            connections.append(ours)
            processes.append(process)
    try:
        return _collect(connections, on_steps)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _collect(connections: Sequence[Any], on_steps: OnSteps) -> list[Any]:
    results: dict[int, Any] = {}
    while len(results) < len(connections):
        ready = wait([own for place, own in enumerate(connections) if place not in results])
        for place in [k for k, own in enumerate(connections) if own in ready]:
            try:
                kind, content = connections[place].recv()
            except EOFError:
                raise WorkerDiedError("a worker process was killed") from None
            if kind == "steps":
                on_steps(content)
            elif kind == "failed":
                raise content
            else:
                results[place] = content
    return [results[place] for place in range(len(connections))]


def _work(connection: Any, job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and ends its children
    torch.set_num_threads(1)
    parent = os.getppid()

    def hear(count: int) -> None:
        if os.getppid() != parent:  # the parent was killed: leave the checkpoint to its successor
            os._exit(1)
        connection.send(("steps", count))

    try:
        connection.send(("done", job(hear)))
    except Exception as error:
        error.add_note(traceback.format_exc())
        connection.send(("failed", error))
