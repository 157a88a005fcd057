"""Seconds per step, measured in blocks of steps in random order."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

WARM_UP_STEPS = 10
BLOCK_SECONDS = 0.03
BLOCKS = 9
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


def timed(step: Callable[[], None], steps: int, device: torch.device) -> float:
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


def measure(
    steps: Mapping[Key, Callable[[], None]], device: torch.device, seed: int
) -> dict[Key, Timing]:
    """Time every step function in BLOCKS blocks; all blocks run in one random order.

    A drift of the machine thus falls on all of them alike.
    """
    per_block = {}
    for key, step in steps.items():
        seconds = timed(step, WARM_UP_STEPS, device)
        per_block[key] = max(3, round(BLOCK_SECONDS / max(seconds, 1e-9)))
    blocks: dict[Key, list[float]] = {key: [] for key in steps}
    schedule = [key for key in steps for _ in range(BLOCKS)]
    for position in np.random.default_rng(seed).permutation(len(schedule)):
        key = schedule[position]
        blocks[key].append(timed(steps[key], per_block[key], device))
    return {key: Timing(tuple(blocks[key]), per_block[key]) for key in steps}
