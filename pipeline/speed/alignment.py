"""Are aligned batch sizes faster? Each is timed back to back with both its neighbours.

What slows the machine for a moment slows all three alike, and cancels. On a CPU with one intra-op
thread, whose processor time other work hardly touches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.params.protocol import Throughput
from pipeline.speed import blocks, ladder
from pipeline.speed.blocks import Step

KINDS = {"powers of two": ladder.powers_of_two, "multiples of 32": ladder.multiples_of_32}
PRECISE = 0.0035
"""A kind's mean log speed is known well enough with a standard error below this."""
MOST = 6
"""As many rounds at most as every size gets, times this."""
MOST_SECONDS, FEWEST_ROUNDS = 20.0, 5
"""Nor is there another round where steps have taken so long, and there were so many."""


@dataclass(frozen=True)
class Aligned:
    """A batch size's examples per second over the geometric mean of both neighbours', as a
    logarithm for every time that the three were timed."""

    kind: str
    batch_size: int
    log_speed_ups: tuple[float, ...]


def sizes(smallest: int, largest: int) -> dict[int, str]:
    """The kind of every aligned size whose neighbours lie within the bounds."""
    return {
        size: kind
        for kind, of_kind in KINDS.items()
        for size in of_kind(largest - 1)
        if size - 1 >= smallest
    }


def measure(
    step_of: Callable[[int], Step],
    kinds: dict[int, str],
    how: Throughput,
    device: torch.device,
    seed: int,
    on_block: Callable[[int], None],
) -> list[Aligned]:
    """Time every aligned size with its neighbours in ``how.blocks`` rounds, in random order, and in
    up to MOST times as many until each kind's mean is known to PRECISE; of slow steps in no more
    than MOST_SECONDS take, or FEWEST_ROUNDS. In blocks half as long as others, for what is close in
    time is alike.

    step_of: a step function by batch size; kinds: ``sizes``. ``on_block`` hears of every round, and
    of those that were not needed.
    """
    rng = np.random.default_rng(seed)
    found: dict[int, list[float]] = {size: [] for size in kinds}
    spent = 0.0
    with blocks.threads(1):
        steps = {near: step_of(near) for size in kinds for near in range(size - 1, size + 2)}
        quick = {near: blocks.warm_up(step, device) for near, step in steps.items()}
        for round_number in range(MOST * how.blocks):
            is_long = round_number >= FEWEST_ROUNDS and spent > MOST_SECONDS
            if is_long or (round_number >= how.blocks and is_precise(found, kinds)):
                on_block(MOST * how.blocks - round_number)
                break
            for size in rng.permutation(list(kinds)):
                count = max(1, round(how.block_seconds / 2 / quick[size]))
                near = rng.permutation([size - 1, size, size + 1])
                seconds = {n: blocks.timed(steps[n], count, device) for n in near.tolist()}
                found[size].append(log_speed_up(int(size), seconds))
                spent += count * sum(seconds.values())
            on_block(1)
    return [Aligned(kinds[size], size, tuple(logs)) for size, logs in found.items()]


def log_speed_up(size: int, seconds: dict[int, float]) -> float:
    """The logarithm of a size's examples per second less the mean of its neighbours'."""
    speed = {near: np.log(near / seconds[near]) for near in seconds}
    return float(speed[size] - (speed[size - 1] + speed[size + 1]) / 2)


def is_precise(found: dict[int, list[float]], kinds: dict[int, str]) -> bool:
    """Whether the mean over the sizes of each kind is known to PRECISE, by its rounds."""
    return all(
        mean_error([found[size] for size in found if kinds[size] == kind]) <= PRECISE
        for kind in set(kinds.values())
    )


def mean_error(of_sizes: Sequence[Sequence[float]]) -> float:
    """The standard error of the mean over sizes of their medians, by their quartiles."""
    errors = blocks.median_errors(np.array(of_sizes))
    return float(np.sqrt((errors**2).sum()) / len(errors))
