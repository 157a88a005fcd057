"""The reference loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makers import packs
from makers.data import MakeData
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.schedule import Budget
from pipeline.params.settings import Cell, Settings
from pipeline.training import loop, seeds
from pipeline.training.dataset import Dataset
from pipeline.training.pack import CURVES, FINALS, Pack, Trained


def make_pack(rates: list[float], batch_size: int = 8, examples: int = 64, **keys: object) -> Pack:
    base = Settings(model=Model("mlp", [8]), budget=Budget(4, 20, 8))
    cells = tuple(Cell("baseline", batch_size, lr, seed) for lr in rates for seed in (0, 1))
    return Pack(replace(base, **keys), batch_size, examples, cells)  # type: ignore[arg-type]


def train(pack: Pack, data: Dataset) -> Trained:
    counted: list[int] = []
    trained = loop.train_cells(pack, data, counted.append)
    assert sum(counted) == pack.steps * len(pack.cells)
    return trained


class TestLoop:
    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adagrad", "adam", "adamw"])
    def test_it_learns(self, make_data: MakeData, task: str, optimizer: str) -> None:
        momentum = 0.9 if optimizer == "nesterov" else 0.0
        pack = make_pack([0.05], optimizer=Optimizer(optimizer, momentum), budget=Budget(20, 20, 8))
        trained = train(pack, make_data(task))
        losses = trained.curves["train_loss"]
        assert (losses[:, -1] < 0.7 * losses[:, 0]).all()
        assert (trained.finals["final_train_score"] > 0.5).all()
        assert np.isfinite([trained.curves[name] for name in CURVES]).all()

    def test_the_same_cells_give_the_same_bits(self, make_data: MakeData) -> None:
        data = make_data()
        model = Model("mlp", [8], norm="batch", dropout=0.3)
        first, again = (train(make_pack([0.1], model=model), data) for _ in range(2))
        for name, weights in first.weights.items():
            assert np.array_equal(weights, again.weights[name])
        for name in CURVES:
            assert np.array_equal(first.curves[name], again.curves[name])

    def test_a_cell_does_not_depend_on_its_neighbours(self, make_data: MakeData) -> None:
        data = make_data()
        alone, beside = train(make_pack([0.1]), data), train(make_pack([1e9, 0.1]), data)
        for name, weights in alone.weights.items():
            assert np.array_equal(weights, beside.weights[name][2:])

    def test_divergence_is_a_result(self, make_data: MakeData) -> None:
        trained = train(make_pack([1e9, 0.1]), make_data("regression"))
        assert (trained.diverged_step[:2] > 0).all()
        assert (trained.diverged_step[2:] == 0).all()
        for name in FINALS:
            assert np.isnan(trained.finals[name][:2]).all()
            assert np.isfinite(trained.finals[name][2:]).all()
        for cell, step in enumerate(trained.diverged_step[:2]):
            late = np.array(trained.steps) >= step
            assert np.isnan(trained.curves["val_loss"][cell, late]).all()
            assert np.isfinite(trained.curves["val_loss"][cell, ~late]).all()

    def test_full_batch_is_one_step_an_epoch(self, make_data: MakeData) -> None:
        pack = make_pack([0.1], batch_size=64)
        assert (pack.steps_per_epoch, pack.steps) == (1, 20)
        assert train(pack, make_data()).steps[-1] == 20

    def test_an_epoch_sees_each_example_at_most_once(self) -> None:
        pack = make_pack([0.1], batch_size=10)
        epoch = [rows for _, rows in zip(range(6), loop.batches(pack, pack.cells[0]), strict=False)]
        rows = torch.cat(epoch).tolist()
        assert len(rows) == len(set(rows)) == 60

    def test_the_first_step_on_paper(self, make_data: MakeData) -> None:
        data = make_data("regression", examples=4)
        pack = Pack(
            Settings(model=Model("linear"), budget=Budget(1, 2, 2)), 4, 4,
            (Cell("baseline", 4, 0.1, 0),),
        )  # fmt: skip
        trained = train(pack, data)
        model = seeds.initial_model(Model("linear"), (6,), 1, 0, 0)
        weight, bias = (p.detach().double() for p in model.parameters())
        x, y = data.train.x.double(), data.train.y.double()
        for _ in range(2):
            error = x @ weight.T + bias - y
            weight -= 0.1 * 2 * (error * x).mean(0, keepdim=True)
            bias -= 0.1 * 2 * error.mean(0)
        assert trained.weights["1.weight"][0] == pytest.approx(weight.numpy(), rel=1e-5)
        assert trained.weights["1.bias"][0] == pytest.approx(bias.numpy(), rel=1e-5)


def test_what_is_evaluated_is_the_average_of_the_weights(make_data: MakeData) -> None:
    """By hand, from the weights after every step."""
    steps = tuple(range(1, 25))
    raw = replace(packs.make_pack((0.03,), (0,)), dense=steps, snapshots=steps)
    ema = Optimizer("sgd", ema=0.7)
    pack = replace(raw, settings=replace(raw.settings, optimizer=ema))
    found, path = packs.plain(pack, make_data()), packs.plain(raw, make_data())
    name = next(iter(path.weights))
    average = path.snapshots[f"1/{name}"]
    for step in steps[1:]:
        average = 0.7 * average + 0.3 * path.snapshots[f"{step}/{name}"]
    np.testing.assert_allclose(found.weights[name], average, rtol=1e-4, atol=1e-6)
    assert not np.allclose(found.curves["val_loss"], path.curves["val_loss"], rtol=1e-3)
    assert np.allclose(found.curves["train_loss"], path.curves["train_loss"])
