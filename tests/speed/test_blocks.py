"""Step times that are known are found."""

import itertools
from collections.abc import Callable

import pytest
import torch

from pipeline.params.protocol import Throughput
from pipeline.speed import blocks

CPU = torch.device("cpu")
HOW = Throughput(blocks=15, block_seconds=0.01)


class Clock:
    """A clock that only moves when a step says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def step(self, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(blocks.time, "perf_counter", lambda: clock.now)
    return clock


def test_known_step_times_are_found(clock: Clock) -> None:
    known = {4: 0.001, 8: 0.002, 16: 0.05}
    heard: list[int] = []
    steps_of = {b: clock.step(s) for b, s in known.items()}
    found = blocks.measure(steps_of, HOW, CPU, 0, heard.append)
    assert sum(heard) == 3 * HOW.blocks
    for batch_size, seconds in known.items():
        timing = found[batch_size]
        assert timing.median == pytest.approx(seconds)
        assert timing.quartiles == pytest.approx((seconds, seconds))
        assert len(timing.blocks) == HOW.blocks
        assert not timing.is_noisy
    assert found[4].steps_per_block == 10
    assert found[16].steps_per_block == 1


def test_blocks_of_all_batch_sizes_are_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    functions = {key: lambda key=key: order.append(key) for key in (1, 2)}
    monkeypatch.setattr(blocks.time, "perf_counter", itertools.count().__next__)
    blocks.measure(functions, HOW, CPU, 0, lambda _: None)
    runs = [key for key, _ in itertools.groupby(order)]
    assert len(runs) > 6


def test_a_noisy_timing_says_so() -> None:
    assert blocks.Timing((1.0, 1.0, 1.5, 1.5), 1).is_noisy
    assert not blocks.Timing((1.0, 1.0, 1.01, 1.02, 9.0), 1).is_noisy
