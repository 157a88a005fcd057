"""Trials of real steps."""

import pytest
import torch

from makers.data import MakeData
from makers.networks import wide
from pipeline.errors import InputError
from pipeline.params.protocol import Throughput
from pipeline.params.settings import Settings
from pipeline.speed import alignment, cases, ladder, single, table
from pipeline.speed.cases import Case, Trial
from pipeline.training.dataset import Dataset

CPU = torch.device("cpu")


class TestTrial:
    def limited(self, data: Dataset, batch_size: int) -> Trial:
        limit = single.peak_bytes(wide(8), data, batch_size)
        return Trial(wide(8), data, limit)

    def test_real_steps_find_the_limit(self, make_data: MakeData) -> None:
        data = make_data(examples=4096)
        found = cases.capacity(self.limited(data, 1500), 1)
        assert found == ladder.Capacity(1500, "memory")

    def test_a_grid_size_beyond_it_is_taken_in_parts(self, make_data: MakeData) -> None:
        data = make_data(examples=4096)
        trial = self.limited(data, 1500)
        found = cases.capacity(trial, 1)
        chosen = cases.cases(trial, [64, 1024, 4096], found, 1, is_dense=False)
        grid = [case for case in chosen if case.in_grid]
        assert grid == [Case(64, 1, True), Case(1024, 1, True), Case(4096, 3, True)]
        assert Case(1024, 4) in chosen
        assert all(case.batch_size <= 1500 for case in chosen if not case.in_grid)
        assert trial.peak(4096, 3) <= trial.limit_bytes

    def test_a_failed_allocation_is_a_batch_that_does_not_fit(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = single.peak_bytes

        def failing(settings: Settings, data: Dataset, size: int, parts: int = 1) -> int:
            if size > 100:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
            return real(settings, data, size, parts)

        monkeypatch.setattr(single, "peak_bytes", failing)
        trial = Trial(wide(8), make_data(examples=512), None)
        assert cases.capacity(trial, 1) == ladder.Capacity(100, "memory")

    def test_another_failure_is_not_hidden(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: object) -> int:
            raise RuntimeError("a shape is wrong")

        monkeypatch.setattr(single, "peak_bytes", failing)
        with pytest.raises(RuntimeError, match="shape"):
            Trial(wide(8), make_data(), None).fits(4)

    def test_what_the_machine_cannot_hold_is_not_tried(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial = Trial(wide(8), make_data(examples=4096), 1e15)
        assert trial.fits(1024)
        assert trial.fits(2048)
        monkeypatch.setattr(cases, "free_bytes", lambda _: 1.3 * trial.peak(2048))
        assert not trial.fits(4096)
        assert (4096, 1) not in trial.peaks

    def test_less_than_one_example_needs_is_refused(self, make_data: MakeData) -> None:
        with pytest.raises(InputError, match=r"limits\.memory_gb: a batch of 1 needs"):
            cases.capacity(Trial(wide(8), make_data(), 10.0), 1)


class TestQuickRange:
    def subject(self, data: Dataset) -> table.Subject:
        return table.subject(wide(8), data, [4, 512], None, is_dense=False)

    def test_a_slow_size_of_the_grid_is_not_in_it(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subject = self.subject(make_data(examples=512))
        assert subject.quick_range == (1, 512)
        monkeypatch.setattr(Trial, "step_seconds", lambda _, size: 1.0 if size > 100 else 0.0)
        assert subject.quick_range == (1, 64)

    def test_alignment_is_looked_at_in_the_range_of_the_grid(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Trial, "step_seconds", lambda _, size: 0.0)
        subject = self.subject(make_data(examples=2048))
        assert subject.quick_range == (1, 2048)
        assert subject.aligned_range == (1, 513)
        monkeypatch.setattr(table, "ENOUGH", 1000)
        assert subject.aligned_range == (1, 1001)
        monkeypatch.setattr(Trial, "step_seconds", lambda _, size: 1.0 if size > 100 else 0.0)
        assert subject.aligned_range == (1, 64)

    def test_nothing_is_aligned_where_nothing_is_quick(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subject = self.subject(make_data(examples=512))
        monkeypatch.setattr(cases, "LADDER_STEP_SECONDS", 0.0)
        kinds = alignment.sizes(*subject.aligned_range)
        how = Throughput(blocks=3)
        step_of = subject.trial.training.stepper
        assert alignment.measure(step_of, kinds, how, CPU, 0, lambda _: None) == []
