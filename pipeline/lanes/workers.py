"""A pack over several processes, each with one intra-op thread.

Networks this small keep one core busy; threads inside an operation would only wait for each
other.
"""

import functools
import importlib
from dataclasses import replace

from pipeline.executors.processes import OnDone, in_processes
from pipeline.lanes.job import Job
from pipeline.lanes.pieces import train_pieces
from pipeline.lanes.plan import Plan, make_plan
from pipeline.params.protocol import Impl
from pipeline.training.dataset import Dataset
from pipeline.training.device import on_one_thread, one_thread
from pipeline.training.pack import Pack, Trained, interleaved


def spread(pack: Pack, job: Job) -> Trained:
    """Train the pack over ``plan.workers`` processes; every k-th cell goes to the k-th.

    Raises ProcessDiedError when a process is killed, and whatever a worker raised.
    """
    if job.data.train.x.device.type != "cpu":
        return train_pieces(pack, job)
    workers = min(job.plan.workers, len(pack.cells))
    if job.plan.engine == "loop":  # torch's optimizers import its compiler, once before the forks
        importlib.import_module("torch._dynamo")
    with one_thread():
        if workers == 1:
            return train_pieces(pack, job)
        slices = [pack.part(range(k, len(pack.cells), workers)) for k in range(workers)]
        parts = [on_one_thread(functools.partial(_train_slice, cells, job)) for cells in slices]
        return interleaved(in_processes(parts, job.on_steps))


def _train_slice(pack: Pack, job: Job, on_steps: OnDone) -> Trained:
    return train_pieces(pack, replace(job, on_steps=on_steps))


def planned(pack: Pack, data: Dataset, impl: Impl) -> Plan:
    """``make_plan``, on a CPU in a process of its own.

    It traces gradients, and a process that has run autograd can fork no workers that run it too.
    """
    if data.train.x.device.type != "cpu":
        return make_plan(pack, data, impl)
    with one_thread():
        making = on_one_thread(lambda _: make_plan(pack, data, impl))
        (plan,) = in_processes([making], lambda _: None)
    assert isinstance(plan, Plan)
    return plan
