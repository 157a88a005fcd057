"""Timing and memory."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.tensors import Dataset
from pipeline.engine import memory
from pipeline.errors import InputError
from pipeline.measure import cases, ladder, machine, steps, throughput
from pipeline.measure.cases import Case, Trial
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
    heard: list[int] = []
    steps_of = {b: clock.step(s) for b, s in known.items()}
    found = throughput.measure(steps_of, CPU, 0, heard.append)
    assert sum(heard) == 3 * throughput.BLOCKS
    for batch_size, seconds in known.items():
        timing = found[batch_size]
        assert timing.median == pytest.approx(seconds)
        assert timing.quartiles == pytest.approx((seconds, seconds))
        assert len(timing.blocks) == throughput.BLOCKS
        assert not timing.is_noisy
    assert found[4].steps_per_block == 10
    assert found[16].steps_per_block == 1


def test_blocks_of_all_batch_sizes_are_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    functions = {key: lambda key=key: order.append(key) for key in (1, 2)}
    monkeypatch.setattr(throughput.time, "perf_counter", itertools.count().__next__)
    throughput.measure(functions, CPU, 0, lambda _: None)
    blocks = [key for key, _ in itertools.groupby(order)]
    assert len(blocks) > 6


def test_a_noisy_timing_says_so() -> None:
    assert throughput.Timing((1.0, 1.0, 1.5, 1.5), 1).is_noisy
    assert not throughput.Timing((1.0, 1.0, 1.01, 1.02, 9.0), 1).is_noisy


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
        peaks = [steps.peak_bytes(s, data, 8) for s in (sgd, adam)]
        assert peaks[0] >= 2 * weights
        assert peaks[1] >= peaks[0] + 1.9 * weights


RESIDENT = """
import torch
from pathlib import Path
from test_measure import wide, steps
from conftest import blobs
from pipeline.data.tensors import Dataset

def kib(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))

torch.set_num_threads(1)
part = blobs(16384, 0)
data = Dataset("classification", 3, part, part, part)
steps.peak_bytes(wide(16), data, 64)
Path("/proc/self/clear_refs").write_text("5")
before = kib("VmRSS")
counted = steps.peak_bytes(wide(1024), data, 16384)
print(counted, (kib("VmHWM") - before) * 1024)
"""


def wide(width: int) -> Settings:
    return Settings(model=Model("mlp", [width]), optimizer=Optimizer("adam"), lr=(0.1,))


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="resident peaks are read from Linux's /proc"
)
def test_the_counted_peak_is_what_the_process_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    counted, resident = map(int, done.stdout.split())
    assert counted > 100e6
    assert 0.8 <= resident / counted <= 1.3


class TestMicroBatches:
    @pytest.mark.parametrize("parts", [2, 3, 7])
    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    def test_they_add_up_to_the_update_of_the_whole(
        self, make_data: Callable[..., Dataset], parts: int, optimizer: str
    ) -> None:
        settings = Settings(
            model=Model("mlp", [16]), optimizer=Optimizer(optimizer, weight_decay=0.01), lr=(0.1,)
        )
        assert steps.accumulation_difference(settings, make_data(), 31, parts) < 1e-3

    def test_batch_norm_makes_them_differ(self, make_data: Callable[..., Dataset]) -> None:
        settings = Settings(model=Model("mlp", [16], norm="batch"), lr=(0.1,))
        assert steps.accumulation_difference(settings, make_data(), 32, 8) > 0.05
        assert steps.needs_company(settings, make_data())

    def test_they_take_less_memory(self, make_data: Callable[..., Dataset]) -> None:
        data = make_data(examples=2048)
        whole, parted = (steps.peak_bytes(wide(8), data, 2048, parts) for parts in (1, 16))
        assert parted < whole / 2


class TestLadder:
    def test_it_holds_what_the_paired_tests_need(self) -> None:
        sizes = ladder.dense(1, 1077)
        for size in (8, 64, 1024, 96, 160, 640):
            assert {size - 1, size, size + 1} <= set(sizes)
        assert {24, 72, 23, 89} <= set(sizes)
        assert sizes == sorted(set(sizes))
        assert sizes[-1] <= 1077

    @given(smallest=st.integers(1, 4), largest=st.integers(4, 5000))
    def test_it_stays_within_the_data(self, smallest: int, largest: int) -> None:
        sizes = ladder.dense(smallest, largest)
        assert all(smallest <= size <= largest for size in sizes)

    def test_it_ends_at_slow_steps(self) -> None:
        assert ladder.up_to_slow([1, 2, 4, 8], lambda size: size > 3) == [1, 2]


class TestCapacity:
    @given(room=st.integers(1, 3000), data=st.integers(1, 3000))
    def test_the_largest_that_fits_is_found(self, room: int, data: int) -> None:
        found = ladder.largest_that_fits(lambda b: b <= room, 1, data, lambda _: False)
        assert found == ladder.Capacity(min(room, data), "data" if data <= room else "memory")

    def test_few_trials_are_made(self) -> None:
        tried: list[int] = []

        def fits(size: int) -> bool:
            tried.append(size)
            return size <= 700

        ladder.largest_that_fits(fits, 1, 60000, lambda _: False)
        assert len(tried) <= 21
        assert max(tried) == 1024

    def test_nothing_fits(self) -> None:
        found = ladder.largest_that_fits(lambda _: False, 1, 100, lambda _: False)
        assert found == ladder.Capacity(0, "memory")

    def test_slow_steps_end_the_search(self) -> None:
        found = ladder.largest_that_fits(lambda _: True, 1, 100, lambda b: b >= 8)
        assert found == ladder.Capacity(8, "time")


class TestTrial:
    def limited(self, data: Dataset, batch_size: int) -> Trial:
        limit = steps.peak_bytes(wide(8), data, batch_size)
        return Trial(wide(8), data, limit)

    def test_real_steps_find_the_limit(self, make_data: Callable[..., Dataset]) -> None:
        data = make_data(examples=4096)
        found = cases.capacity(self.limited(data, 1500), 1)
        assert found == ladder.Capacity(1500, "memory")

    def test_a_grid_size_beyond_it_is_taken_in_parts(
        self, make_data: Callable[..., Dataset]
    ) -> None:
        data = make_data(examples=4096)
        trial = self.limited(data, 1500)
        found = cases.capacity(trial, 1)
        chosen = cases.cases(trial, [64, 1024, 4096], found, 1, with_neighbours=False)
        grid = [case for case in chosen if case.in_grid]
        assert grid == [Case(64, 1, True), Case(1024, 1, True), Case(4096, 3, True)]
        assert Case(1024, 4) in chosen
        assert all(case.batch_size <= 1500 for case in chosen if not case.in_grid)
        assert trial.peak(4096, 3) <= trial.limit_bytes

    def test_a_failed_allocation_is_a_batch_that_does_not_fit(
        self, make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = steps.peak_bytes

        def failing(settings: Settings, data: Dataset, size: int, parts: int = 1) -> int:
            if size > 100:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
            return real(settings, data, size, parts)

        monkeypatch.setattr(steps, "peak_bytes", failing)
        trial = Trial(wide(8), make_data(examples=512), None)
        assert cases.capacity(trial, 1) == ladder.Capacity(100, "memory")

    def test_another_failure_is_not_hidden(
        self, make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: object) -> int:
            raise RuntimeError("a shape is wrong")

        monkeypatch.setattr(steps, "peak_bytes", failing)
        with pytest.raises(RuntimeError, match="shape"):
            Trial(wide(8), make_data(), None).fits(4)

    def test_what_the_machine_cannot_hold_is_not_tried(
        self, make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial = Trial(wide(8), make_data(examples=4096), 1e15)
        assert trial.fits(1024)
        assert trial.fits(2048)
        monkeypatch.setattr(cases, "free_bytes", lambda _: 1.3 * trial.peak(2048))
        assert not trial.fits(4096)
        assert (4096, 1) not in trial.peaks

    def test_less_than_one_example_needs_is_refused(
        self, make_data: Callable[..., Dataset]
    ) -> None:
        with pytest.raises(InputError, match=r"limits\.memory_gb: a batch of 1 needs"):
            cases.capacity(Trial(wide(8), make_data(), 10.0), 1)


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
