"""Timing and memory."""

import itertools
from collections.abc import Callable

import pytest
import torch

from pipeline.data.tensors import Dataset
from pipeline.engine import memory
from pipeline.errors import InputError
from pipeline.measure import machine, steps, throughput
from pipeline.params import Model, Optimizer, Settings

CPU = torch.device("cpu")


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
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock.now)
    return clock


def test_known_step_times_are_found(clock: Clock) -> None:
    known = {4: 0.001, 8: 0.002, 16: 0.05}
    found = throughput.measure({b: clock.step(s) for b, s in known.items()}, CPU, 0)
    for batch_size, seconds in known.items():
        timing = found[batch_size]
        assert timing.median == pytest.approx(seconds)
        assert timing.quartiles == pytest.approx((seconds, seconds))
        assert len(timing.blocks) == throughput.BLOCKS
    assert found[4].steps_per_block == 30
    assert found[16].steps_per_block == 3


def test_blocks_of_all_batch_sizes_are_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    functions = {key: lambda key=key: order.append(key) for key in (1, 2)}
    monkeypatch.setattr(throughput.time, "perf_counter", itertools.count().__next__)
    throughput.measure(functions, CPU, 0)
    blocks = [key for key, _ in itertools.groupby(order[2 * throughput.WARM_UP_STEPS :])]
    assert len(blocks) > 4


class TestMemory:
    def test_the_peak_counts_what_is_alive_together(self) -> None:
        def run() -> None:
            first = torch.zeros(1000)
            second = first + 1
            del first
            third = second * 2
            del second, third

        assert memory.peak_bytes(run, CPU) == 8000

    def test_views_and_updates_in_place_cost_nothing(self) -> None:
        def run() -> None:
            x = torch.zeros(1000)
            x.view(10, 100).add_(1)

        assert memory.peak_bytes(run, CPU) == 4000

    def test_what_existed_before_is_not_counted(self) -> None:
        old = torch.zeros(1000)
        assert memory.peak_bytes(lambda: old.add_(1), CPU) == 0

    def test_a_training_holds_at_least_what_it_must(
        self, make_data: Callable[..., Dataset]
    ) -> None:
        data = make_data()
        adam = Settings(model=Model("mlp", [256]), optimizer=Optimizer("adam"), lr=(0.1,))
        sgd = Settings(model=Model("mlp", [256]), lr=(0.1,))
        weights = 4 * (6 * 256 + 256 + 256 * 3 + 3)
        peaks = [
            memory.peak_bytes(lambda s=s: steps.train_and_evaluate(s, data, 8), CPU)
            for s in (sgd, adam)
        ]
        assert peaks[0] >= 2 * weights
        assert peaks[1] >= peaks[0] + 1.9 * weights


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"impl\.device: 'cuda'"):
        machine.device("cuda")
    assert machine.device("auto") == CPU


def test_the_machine_is_described() -> None:
    found = machine.describe(CPU)
    assert found["processor"]
    assert found["torch"] == torch.__version__
    assert int(found["memory_gb"]) > 0
