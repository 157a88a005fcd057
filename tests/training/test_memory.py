"""Memory, counted and measured."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from makers.data import MakeData, blobs
from makers.networks import wide
from makers.processes import fresh
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Settings
from pipeline.speed import single
from pipeline.training import memory
from pipeline.training.dataset import Dataset
from pipeline.training.device import one_thread

CPU = torch.device("cpu")


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

    @pytest.mark.parametrize("rows", [10, 128, 129, 1000])
    def test_many_rows_are_told_from_few(self, rows: int) -> None:
        ran = []

        def prepared(count: int) -> Callable[[], object]:
            ran.append(count)
            weights, x = torch.ones(50, 70), torch.ones(count, 50)
            return lambda: (x @ weights).relu().sum(0) + weights.t() @ torch.ones(50)

        peak = memory.peak_bytes_of_rows(prepared, rows, CPU)
        assert peak == memory.peak_bytes(prepared(rows), CPU)
        assert ran[:-1] == ([rows] if rows <= 128 else [32, 64, 128])

    def test_what_is_off_the_line_is_run(self) -> None:
        def prepared(count: int) -> Callable[[], object]:
            x = torch.ones(count, 5)
            return lambda: x @ x.t()

        assert memory.peak_bytes_of_rows(prepared, 1000, CPU) == 4 * 1000**2

    def test_rows_that_take_other_operations_are_run(self) -> None:
        def prepared(count: int) -> Callable[[], object]:
            x = torch.ones(count)
            return lambda: torch.cat([part * 2 for part in x.split(40)])

        peak = memory.peak_bytes_of_rows(prepared, 1000, CPU)
        assert peak == memory.peak_bytes(prepared(1000), CPU)

    def test_a_training_holds_at_least_what_it_must(self, make_data: MakeData) -> None:
        data = make_data()
        adam = Settings(model=Model("mlp", [256]), optimizer=Optimizer("adam"), lr=(0.1,))
        sgd = Settings(model=Model("mlp", [256]), lr=(0.1,))
        weights = 4 * (6 * 256 + 256 + 256 * 3 + 3)
        peaks = [single.peak_bytes(s, data, 8) for s in (sgd, adam)]
        assert peaks[0] >= 2 * weights
        assert peaks[1] >= peaks[0] + 1.9 * weights


def resident() -> tuple[int, int]:
    """What a step is counted to take, and what the process took at its peak."""
    part = blobs(16384, 0)
    data = Dataset("classification", 3, part, part, part)

    def bytes_of(field: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))

    with one_thread():
        single.peak_bytes(wide(16), data, 64)
        Path("/proc/self/clear_refs").write_text("5")
        before = bytes_of("VmRSS")
        counted = single.peak_bytes(wide(1024), data, 16384)
    return counted, bytes_of("VmHWM") - before


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="resident peaks are read from Linux's /proc"
)
def test_the_counted_peak_is_what_the_process_takes() -> None:
    counted, taken = fresh(resident)
    assert counted > 100e6
    assert 0.8 <= taken / counted <= 1.3
