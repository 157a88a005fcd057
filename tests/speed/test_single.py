"""Micro-batches of one training, and what it takes of memory."""

from dataclasses import replace

import pytest
import torch

from makers.data import MakeData
from makers.networks import wide
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Settings
from pipeline.speed import single
from pipeline.speed.cases import Trial
from pipeline.training import memory


class TestMicroBatches:
    @pytest.mark.parametrize("parts", [2, 3, 7])
    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    def test_they_add_up_to_the_update_of_the_whole(
        self, make_data: MakeData, parts: int, optimizer: str
    ) -> None:
        settings = Settings(
            model=Model("mlp", [16]), optimizer=Optimizer(optimizer, weight_decay=0.01), lr=(0.1,)
        )
        assert single.accumulation_difference(settings, make_data(), 31, parts) < 1e-3

    def test_batch_norm_makes_them_differ(self, make_data: MakeData) -> None:
        settings = Settings(model=Model("mlp", [16], norm="batch"), lr=(0.1,))
        assert single.accumulation_difference(settings, make_data(), 32, 8) > 0.05
        assert single.smallest_batch(single.Training(settings, make_data()).model) == 2

    @pytest.mark.parametrize(("size", "parts"), [(1, 1), (2, 1), (100, 1), (100, 4), (512, 16)])
    @pytest.mark.parametrize(
        "optimizer", [Optimizer("sgd"), Optimizer("adam"), Optimizer("adamw", ema=0.9)]
    )
    @pytest.mark.parametrize("norm", ["none", "batch"])
    def test_a_small_first_step_leaves_the_peak_as_it_is(
        self, make_data: MakeData, size: int, parts: int, optimizer: Optimizer, norm: str
    ) -> None:
        """Against two whole steps, and these with an evaluation."""
        if norm == "batch" and size < 2 * parts:
            pytest.skip("a batch norm needs two examples")
        data = make_data(examples=512)
        settings = replace(wide(8), optimizer=optimizer)
        settings = replace(settings, model=replace(settings.model, norm=norm))

        def steps() -> single.Training:
            training = single.Training(settings, data)
            step = training.stepper(size, parts)
            step()
            step()
            return training

        cpu = torch.device("cpu")
        assert single.peak_bytes(settings, data, size, parts) == memory.peak_bytes(steps, cpu)
        whole = memory.peak_bytes(lambda: steps().evaluate(), cpu)
        assert Trial(settings, data, None).peak(size, parts) == whole

    def test_they_take_less_memory(self, make_data: MakeData) -> None:
        data = make_data(examples=2048)
        whole, parted = (single.peak_bytes(wide(8), data, 2048, parts) for parts in (1, 16))
        assert parted < whole / 2
