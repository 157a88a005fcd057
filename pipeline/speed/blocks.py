"""Seconds per step, measured in blocks of steps in random order."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from pipeline.params.protocol import Throughput

WARM_UP_STEPS = 10
WARM_UP_SECONDS = 0.1
NOISY_SPREAD = 0.15
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Timing:
    """The seconds per step of each block."""

    blocks: tuple[float, ...]
    steps_per_block: int

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


def timed(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """Seconds per step over ``steps`` steps, the device synchronised at both ends."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise(device)
    return (time.perf_counter() - start) / steps


def synchronise(device: torch.device) -> None:
    """Wait for the device's queue to drain."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def warm_up(step: Callable[[], object], device: torch.device) -> float:
    """Take WARM_UP_STEPS steps, fewer of very slow ones; the seconds of the fastest.

    At least two: the first allocates the optimizer's state.
    """
    seconds: list[float] = []
    while len(seconds) < WARM_UP_STEPS and (len(seconds) < 2 or sum(seconds) < WARM_UP_SECONDS):
        seconds.append(timed(step, 1, device))
    return min(seconds)


def measure(
    steps: Mapping[Key, Callable[[], object]],
    how: Throughput,
    device: torch.device,
    seed: int,
    on_block: Callable[[int], None],
) -> dict[Key, Timing]:
    """Time every step function in ``how.blocks`` blocks; all blocks run in one random order.

    A drift of the machine thus falls on all of them alike. ``on_block`` hears of every block.
    """
    per_block = {
        key: max(1, round(how.block_seconds / max(warm_up(step, device), 1e-9)))
        for key, step in steps.items()
    }
    blocks: dict[Key, list[float]] = {key: [] for key in steps}
    schedule = [key for key in steps for _ in range(how.blocks)]
    for position in np.random.default_rng(seed).permutation(len(schedule)):
        key = schedule[position]
        blocks[key].append(timed(steps[key], per_block[key], device))
        on_block(1)
    return {key: Timing(tuple(blocks[key]), per_block[key]) for key in steps}
