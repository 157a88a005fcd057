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
        assert single.needs_company(settings, make_data())

    @pytest.mark.parametrize("size", [1, 2, 100, 512])
    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    def test_a_first_step_of_few_examples_leaves_the_peak_as_it_is(
        self, make_data: MakeData, size: int, optimizer: str
    ) -> None:
        """Against two whole steps and an evaluation."""
        data, settings = make_data(examples=512), replace(wide(8), optimizer=Optimizer(optimizer))

        def train() -> None:
            training = single.Training(settings, data)
            step = training.stepper(size, 1 if size < 100 else 4)
            step()
            step()
            training.evaluate()

        trial = Trial(settings, data, None)
        plain = memory.peak_bytes(train, torch.device("cpu"))
        assert trial.peak(size, 1 if size < 100 else 4) == plain

    def test_they_take_less_memory(self, make_data: MakeData) -> None:
        data = make_data(examples=2048)
        whole, parted = (single.peak_bytes(wide(8), data, 2048, parts) for parts in (1, 16))
        assert parted < whole / 2
