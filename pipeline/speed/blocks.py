"""Seconds per step, measured in blocks of steps in random order, in spite of other work.

Everything is timed once in every round, what will be compared back to back: what slows the machine
for longer than a moment slows a whole round, and is told from what batch sizes do.

On a CPU the time that counts is the one in which this process computed. With one intra-op thread
that is the thread's own processor time, which other work on the machine does not touch. With
several threads a step waits for the slowest of them, so that a block in which the first thread was
kept waiting is thrown away and taken again; on a machine that is busy with other work one thread
is taken.
"""

import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
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
LONG_SECONDS, ENOUGH_BLOCKS = 2.0, 5
"""A step that stands alone is timed no longer than this, once it has so many blocks."""
TRIES = 3
"""How often a block is taken until it counts."""
PILOT = 9
"""Rounds, at most, that tell which number of threads is faster."""
SWEEPS = 12
"""Of a polish: what is wrong in the levels shrinks by half in each, or by more."""
QUARTILES, MEDIAN_ERROR = 1.349, 1.253
"""Normal quartiles lie so many standard deviations apart; the median of n values has so many
standard errors of their mean."""
FASTER = 0.9
"""All threads are taken where they need less than this share of one thread's time."""
LOADED = 0.25
"""More cores than this busy with other work make a machine that threads would have to share."""
Key = TypeVar("Key", bound=Hashable)
Step = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """The seconds per step of each round's block, NaN for one that does not count, taken with so
    many intra-op threads."""

    blocks: tuple[float, ...]
    steps_per_block: int
    threads: int = 1

    @property
    def count(self) -> int:
        """How many blocks count."""
        return int(np.isfinite(self.blocks).sum())

    @property
    def median(self) -> float:
        """The middle block's seconds per step."""
        return float(np.nanmedian(self.blocks))

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile over blocks, in seconds per step."""
        low, high = np.nanpercentile(self.blocks, [25, 75])
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
    pilot = Throughput(blocks=min(PILOT, how.blocks), block_seconds=how.block_seconds)
    both = {(key, count): step for key, step in steps.items() for count in (1, most)}
    counts = {(key, count): count for key, count in both}
    found = beside(measure(both, counts, pilot, device, seed, lambda _: None, both))
    if watch.other_cores() > LOADED:
        return dict.fromkeys(steps, 1)

    def is_faster(key: Key) -> bool:
        together = found.get((key, most))
        return together is not None and together.seconds < FASTER * found[key, 1].seconds

    return {key: most if is_faster(key) else 1 for key in steps}


def measure(
    steps: Mapping[Key, Step],
    counts: Mapping[Key, int],
    how: Throughput,
    device: torch.device,
    seed: int,
    on_block: Callable[[int], None],
    compared: Collection[Key] = (),
    alone: Collection[Key] = (),
) -> dict[Key, Timing]:
    """Time every step function with its number of threads, in ``how.blocks`` rounds: a block of
    each that is compared, in random order, and then one of every other.

    A block that does not count is taken again at once, up to TRIES times; a step function of
    several threads of which fewer than FEWEST blocks count is left out. What stands
    alone, in no ratio to another, has fewer rounds where its blocks have taken LONG_SECONDS.
    ``on_block`` hears of every block, and of those that were not needed.
    """
    per_block: dict[Key, int] = {}
    for key, step in steps.items():
        with threads(counts[key]):
            per_block[key] = max(1, round(how.block_seconds / max(warm_up(step, device), 1e-9)))
    found: dict[Key, list[float]] = {key: [] for key in steps}
    groups = [[key for key in steps if (key in compared) == first] for first in (True, False)]
    rng = np.random.default_rng(seed)
    for _ in range(how.blocks):
        for key in (group[place] for group in groups for place in rng.permutation(len(group))):
            if key not in alone or not is_enough(found[key], per_block[key]):
                with threads(counts[key]):
                    found[key].append(counted(steps[key], per_block[key], device, counts[key]))
            on_block(1)
    timings = {key: Timing(tuple(found[key]), per_block[key], counts[key]) for key in steps}
    return {key: timing for key, timing in timings.items() if timing.count >= FEWEST}


def is_enough(found: list[float], steps: int) -> bool:
    """Whether ENOUGH_BLOCKS of so many steps count, and have taken LONG_SECONDS."""
    counted = [seconds for seconds in found if np.isfinite(seconds)]
    return len(counted) >= ENOUGH_BLOCKS and sum(counted) * steps > LONG_SECONDS


def counted(step: Step, steps: int, device: torch.device, count: int) -> float:
    """``timed``, tried until it can be told; NaN where it never can."""
    tries = (timed(step, steps, device, count) for _ in range(TRIES))
    return next((seconds for seconds in tries if np.isfinite(seconds)), float("nan"))


def median_errors(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The standard error of each row's median, by its quartiles; NaN in a row does not count."""
    low, high = np.nanpercentile(rows, [25, 75], axis=1)
    counts = np.isfinite(rows).sum(1)
    return np.asarray(MEDIAN_ERROR * (high - low) / QUARTILES / np.sqrt(counts))


@dataclass(frozen=True)
class Beside:
    """Seconds per step beside those of what was timed in the same rounds; log_error: its part, in
    quadrature, of the standard error of the logarithm of the ratio of two."""

    seconds: float
    log_error: float


def beside(timings: Mapping[Key, Timing]) -> dict[Key, Beside]:
    """The seconds per step of what was timed in the same rounds, without what slowed whole rounds.

    A polish of log seconds (Tukey 1977, Exploratory Data Analysis, chapter 11): each step
    function's median, each round's mean distance from these, again and again, and what is left. A
    round's median would be one of its few blocks, of which nothing is left. The errors take it that
    blocks scatter alike; together the seconds are as high as the medians of the blocks.
    """
    if not timings:
        return {}
    logs = np.log([timing.blocks for timing in timings.values()])
    logs = logs[:, np.isfinite(logs).any(0)]
    medians = np.nanmedian(logs, axis=1)
    middles, rest = medians, logs
    for _ in range(SWEEPS if len(logs) > 1 else 0):
        rest = logs - np.nanmean(logs - middles[:, None], axis=0)
        middles = np.nanmedian(rest, axis=1)
    shared = rest[:, np.isfinite(logs).sum(0) > 1]  # of a block alone in its round nothing is left
    rest = shared if (np.isfinite(shared).sum(1) >= FEWEST).all() else rest
    middles = middles + (medians - middles).mean()
    of_few = np.sqrt(len(logs) / max(1, len(logs) - 1))  # a level follows its few step functions
    errors = of_few * median_errors(rest)
    return {
        key: Beside(float(np.exp(log)), float(error))
        for key, log, error in zip(timings, middles, errors, strict=True)
    }
