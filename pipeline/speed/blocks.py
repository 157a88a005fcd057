"""Seconds per step, measured in blocks of steps in random order, in spite of other work.

On a CPU the time that counts is the one in which this process computed. With one intra-op thread
that is the thread's own processor time, which other work on the machine does not touch. With
several threads a step waits for the slowest of them, so that a block in which the first thread was
kept waiting is thrown away and taken again; on a machine that is busy with other work one thread
is taken.
"""

import statistics
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from pipeline.params.protocol import Throughput
from pipeline.speed.load import Watch

WARM_UP_STEPS = 10
WARM_UP_SECONDS = 0.1
NOISY_SPREAD = 0.15
BUSY = 0.9
"""A block of several threads counts if the first computed for this share of it."""
FEWEST = 3
"""Blocks that a timing needs."""
PASSES = 3
"""Passes over everything that is timed, one after the other, so that each thing is timed early and
late."""
PILOT = 3
FASTER = 0.9
"""All threads are taken where they need less than this share of one thread's time."""
LOADED = 0.25
"""More cores than this busy with other work make a machine that threads would have to share."""
Key = TypeVar("Key", bound=Hashable)
Step = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """The seconds per step of each block that counts, taken with so many intra-op threads."""

    blocks: tuple[float, ...]
    steps_per_block: int
    threads: int = 1

    @property
    def median(self) -> float:
        """The middle block's seconds per step."""
        return statistics.median(self.blocks)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile over blocks, in seconds per step."""
        low, high = np.percentile(self.blocks, [25, 75])
        return float(low), float(high)

    @property
    def is_noisy(self) -> bool:
        """Whether the quartiles lie more than NOISY_SPREAD of the median apart."""
        low, high = self.quartiles
        return high - low > NOISY_SPREAD * self.median


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many intra-op threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def timed(step: Step, steps: int, device: torch.device, count: int = 1) -> float:
    """Seconds per step over ``steps`` steps with ``count`` threads, the device synchronised at both
    ends; NaN where other work kept the process waiting and the time cannot be told."""
    synchronise(device)
    start, computed = time.perf_counter(), time.thread_time()
    for _ in range(steps):
        step()
    synchronise(device)
    wall, computed = time.perf_counter() - start, time.thread_time() - computed
    if device.type == "cuda":
        return wall / steps
    if count == 1:
        return min(wall, computed) / steps
    return wall / steps if computed >= BUSY * wall else float("nan")


def synchronise(device: torch.device) -> None:
    """Wait for the device's queue to drain."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def warm_up(step: Step, device: torch.device) -> float:
    """Take WARM_UP_STEPS steps, fewer of very slow ones; the seconds of the fastest.

    At least two: the first allocates the optimizer's state.
    """
    seconds: list[float] = []
    while len(seconds) < WARM_UP_STEPS and (len(seconds) < 2 or sum(seconds) < WARM_UP_SECONDS):
        seconds.append(timed(step, 1, device))
    return min(seconds)


def faster_threads(
    steps: Mapping[Key, Step], how: Throughput, device: torch.device, most: int, seed: int
) -> dict[Key, int]:
    """For every step function whether one thread is faster or all ``most``, by a few blocks each;
    one where it cannot be told, and on a machine that is busy with other work."""
    if most == 1 or device.type == "cuda":
        return dict.fromkeys(steps, most)
    watch = Watch()
    pilot = Throughput(blocks=PILOT, block_seconds=how.block_seconds)
    one, all_threads = (
        measure(steps, dict.fromkeys(steps, count), pilot, device, seed, lambda _: None)
        for count in (1, most)
    )
    if watch.other_cores() > LOADED:
        return dict.fromkeys(steps, 1)
    return {
        key: most
        if key in all_threads and all_threads[key].median < FASTER * one[key].median
        else 1
        for key in steps
    }


def measure(
    steps: Mapping[Key, Step],
    counts: Mapping[Key, int],
    how: Throughput,
    device: torch.device,
    seed: int,
    on_block: Callable[[int], None],
) -> dict[Key, Timing]:
    """Time every step function with its number of threads, in ``how.blocks`` blocks, in PASSES over
    all of them, each in a random order.

    A drift of the machine thus falls on all of them alike. A block that does not count is taken
    again in the next pass, and in PASSES further ones; a step function of several threads of which
    fewer than FEWEST blocks count is left out. ``on_block`` hears of every block.
    """
    per_block: dict[Key, int] = {}
    for key, step in steps.items():
        with threads(counts[key]):
            per_block[key] = max(1, round(how.block_seconds / max(warm_up(step, device), 1e-9)))
    found: dict[Key, list[float]] = {key: [] for key in steps}
    rng = np.random.default_rng(seed)
    for number in range(1, 2 * PASSES + 1):
        wanted = -(-how.blocks * min(number, PASSES) // PASSES)
        schedule = [key for key in steps for _ in range(wanted - len(found[key]))]
        for position in rng.permutation(len(schedule)):
            key = schedule[position]
            with threads(counts[key]):
                seconds = timed(steps[key], per_block[key], device, counts[key])
            if np.isfinite(seconds):
                found[key].append(seconds)
                on_block(1)
    return {
        key: Timing(tuple(of_key), per_block[key], counts[key])
        for key, of_key in found.items()
        if len(of_key) >= FEWEST
    }
