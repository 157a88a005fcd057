"""Seconds per step of several processes that share a batch: torch's DistributedDataParallel.

Each process takes as many examples as its part of the batch has (all the same ones: only the time
is looked at); gradients are averaged by gloo on CPUs and by nccl on GPUs, one for each process.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import distributed, nn

from pipeline.errors import InputError
from pipeline.params.protocol import Throughput
from pipeline.params.settings import Settings
from pipeline.speed.single import Training, weight_bytes
from pipeline.training import dataset

COLUMNS = (
    "variant", "devices", "batch_size", "local_batch_size", "seconds_per_step",
    "seconds_per_step_q25", "seconds_per_step_q75", "seconds_all_reduce", "blocks",
)  # fmt: skip
WARM_UP_STEPS = 5
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Shared:
    """A variant's batches to share between so many processes.

    folder: of the processed data; where: ``cpu`` or ``cuda``; meeting: a file that is not there
    yet, by which the processes find each other.
    """

    settings: Settings
    folder: Path
    where: str
    processes: int
    sizes: tuple[int, ...]
    how: Throughput
    meeting: Path


def powers(processes: int) -> list[int]:
    """The numbers of processes to measure: the powers of two from 2 on."""
    return [2**k for k in range(1, processes.bit_length())]


def measure(
    settings: Settings,
    folder: Path,
    where: torch.device,
    processes: int,
    sizes: Sequence[int],
    smallest: int,
    how: Throughput,
    on_done: Callable[[int], None],
) -> pd.DataFrame:
    """A line for each number of processes up to ``processes`` and batch size that gives each of
    them an example: the median seconds of a step over blocks, by the first process's clock, and of
    an all-reduce of the gradients alone.

    smallest: the fewest examples that a process can take a step with.

    Raises InputError where there are fewer GPUs than processes, and where a process fails.
    """
    if where.type == "cuda" and torch.cuda.device_count() < processes:
        rule = f"is more than the {torch.cuda.device_count()} GPUs that there are"
        raise InputError(f"data_parallel.processes: {processes} {rule}")
    tables = []
    for count in powers(processes):
        shared = tuple(size for size in sizes if size >= count * smallest)
        with tempfile.TemporaryDirectory() as scratch:
            work = Shared(settings, folder, where.type, count, shared, how, Path(scratch, "meet"))
            tables.append(measured(work) if shared else pd.DataFrame())
        on_done(1)
    return pd.concat(tables, ignore_index=True)


def measured(work: Shared) -> pd.DataFrame:
    """What the first process of a group says."""
    context = multiprocessing.get_context("spawn")  # this process has run autograd
    with ProcessPoolExecutor(work.processes, context) as pool:
        ranks = [pool.submit(rank, work, number) for number in range(work.processes)]
        done, _ = wait(ranks, return_when=FIRST_EXCEPTION)
        for error in (one.exception() for one in done):
            if error is not None:  # of the first one to fail: the others only miss it
                words = " ".join(str(error).split())[:300] or type(error).__name__
                raise InputError(f"data_parallel.processes: {work.processes}: {words}") from error
        return ranks[0].result()


def rank(work: Shared, number: int) -> pd.DataFrame:
    """Take part as one process of the group; the timings of all batch sizes."""
    torch.set_num_threads(1)
    device = torch.device(work.where, number) if work.where == "cuda" else torch.device("cpu")
    distributed.init_process_group(
        "nccl" if work.where == "cuda" else "gloo",
        init_method=f"file://{work.meeting}",
        rank=number,
        world_size=work.processes,
    )
    try:
        data = dataset.load(work.folder, work.settings.scaling, device)
        training = Training(work.settings, data)
        training.model = nn.parallel.DistributedDataParallel(training.model)
        gradients = torch.zeros(weight_bytes(work.settings, data) // FLOAT_BYTES, device=device)
        rows = []
        for size in work.sizes:
            local = -(-size // work.processes)
            step = timed(training.stepper(local), work.how, device)
            alone = timed(lambda: distributed.all_reduce(gradients), work.how, device)
            low, median, high = np.percentile(step, [25, 50, 75])
            seconds = (median, low, high, np.median(alone))
            found = ("", work.processes, size, local, *seconds, len(step))
            rows.append(dict(zip(COLUMNS, found, strict=True)))
    finally:
        distributed.destroy_process_group()
    return pd.DataFrame(rows)


def timed(step: Callable[[], object], how: Throughput, device: torch.device) -> list[float]:
    """Seconds per step of each block; all processes take the steps that the first one asks for."""
    for _ in range(WARM_UP_STEPS):
        step()
    once = block(step, 1, device)
    asked = torch.tensor([max(1, round(how.block_seconds / max(once, 1e-9)))], device=device)
    distributed.broadcast(asked, src=0)
    steps = int(asked)
    return [block(step, steps, device) / steps for _ in range(how.blocks)]


def block(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """The seconds of some steps, from when all processes are there."""
    distributed.barrier()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
