"""Train a pack in one process, in as many pieces as its plan asks for."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from pipeline.executors.processes import OnDone
from pipeline.lanes.checkpoint import Content
from pipeline.lanes.job import Job
from pipeline.lanes.lanes import piece_count
from pipeline.lanes.plan import Plan
from pipeline.lanes.run import train_lanes
from pipeline.training import loop
from pipeline.training.memory import is_out_of_memory
from pipeline.training.pack import Pack, Trained, joined


def train_pieces(pack: Pack, job: Job) -> Trained:
    """Train the pack in this process, ``plan.lanes_at_once`` cells at a time."""
    count = piece_count(len(pack.cells), job.plan.lanes_at_once, job.plan.fewest)
    return joined([train_piece(piece, job) for piece in split(pack, count)])


def split(pack: Pack, count: int) -> list[Pack]:
    """The pack's cells in ``count`` consecutive pieces of nearly equal size."""
    return [pack.part(places) for places in np.array_split(np.arange(len(pack.cells)), count)]


def train_piece(pack: Pack, job: Job) -> Trained:
    """Train at once; out of memory, halve the lanes, then split the batches.

    Raises the out-of-memory error when one example of one cell does not fit.
    """
    if pack.begun and pack.begun.diverged_step.all():
        job.on_steps((pack.end - pack.first_step) * len(pack.cells))
        return replace(pack.begun, until=np.full(len(pack.cells), pack.end))
    if job.plan.engine == "loop":
        return train_in_loop(pack, job)
    done = 0

    def on_steps(count: int) -> None:
        nonlocal done
        done += count
        job.on_steps(count)

    try:
        return train_lanes(pack, replace(job, on_steps=on_steps))
    except (RuntimeError, MemoryError) as error:
        smaller = fallbacks(pack, job.plan) if is_out_of_memory(error) else []
        if not smaller:
            raise
    rest = silent_at_first(job.on_steps, done)
    return joined(
        [train_piece(piece, replace(job, plan=plan, on_steps=rest)) for piece, plan in smaller]
    )


def fallbacks(pack: Pack, plan: Plan) -> Sequence[tuple[Pack, Plan]]:
    """What to try with less memory: two halves of the lanes, or twice the micro-batches."""
    if len(pack.cells) > 1:
        return [(half, plan) for half in split(pack, 2)]
    if plan.micro_batches < pack.largest_batch_size:
        return [(pack, replace(plan, micro_batches=2 * plan.micro_batches))]
    return []


def silent_at_first(on_steps: OnDone, heard: int) -> OnDone:
    """``on_steps`` that is not told of the first ``heard`` steps, which it heard of before."""
    counted = -heard

    def later(count: int) -> None:
        nonlocal counted
        new = min(count, max(0, counted + count))
        counted += count
        on_steps(new)

    return later


def train_in_loop(pack: Pack, job: Job) -> Trained:
    """The pack's cells by the plain loop, one after the other."""
    return joined([in_loop(piece, job) for piece in split(pack, len(pack.cells))])


def in_loop(pack: Pack, job: Job) -> Trained:
    """The pack's only cell by the plain loop, from its checkpoint if there is one."""
    checkpoint = job.checkpoint(pack)
    content = checkpoint.load(torch.device("cpu")) if checkpoint else None
    if content:
        before = to_trained(content)
        job.on_steps(int(before.until[0]) - pack.first_step)
        if before.until[0] == pack.end:
            return before
        pack = replace(pack, begun=before)

    def keep(so_far: Callable[[], Trained]) -> None:
        if checkpoint and checkpoint.is_due(is_last=False):
            checkpoint.save(from_trained(so_far()))

    trained = loop.gathered(pack, [loop.train_cell(pack, job.data, job.on_steps, keep)])
    if checkpoint:
        checkpoint.save(from_trained(trained))
    return trained


GROUPS = ("curves", "finals", "weights", "snapshots", "state")


def from_trained(trained: Trained) -> Content:
    """A training of the plain loop as a checkpoint's content."""
    groups = {
        group: {
            name: torch.from_numpy(np.ascontiguousarray(array))
            for name, array in getattr(trained, group).items()
        }
        for group in GROUPS
    }
    diverged, until = ([int(n) for n in array] for array in (trained.diverged_step, trained.until))
    numbers = {"steps": list(trained.steps), "diverged": diverged, "until": until}
    return Content(groups, numbers)


def to_trained(content: Content) -> Trained:
    """The reverse of ``from_trained``."""
    arrays = {
        group: {name: tensor.numpy() for name, tensor in content.groups.get(group, {}).items()}
        for group in GROUPS
    }
    diverged = content.numbers["diverged"]
    return Trained(
        steps=tuple(content.numbers["steps"]),
        diverged_step=np.array(diverged, dtype=np.int64),
        engine=np.full(len(diverged), "loop"),
        micro_batches=np.ones(len(diverged), dtype=np.int64),
        until=np.array(content.numbers["until"], dtype=np.int64),
        **arrays,
    )
