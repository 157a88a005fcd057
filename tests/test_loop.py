"""Budgets, seeds, schedules and the plain engine."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.tensors import Dataset, Part
from pipeline.engine import budget, loop, seeds
from pipeline.engine.losses import has_diverged, loss_and_score
from pipeline.engine.pack import CURVES, FINALS, Pack, Trained
from pipeline.engine.schedule import rate_factor
from pipeline.errors import InputError
from pipeline.params import Budget, Cell, Model, Optimizer, Schedule, Settings

MakeData = Callable[..., Dataset]


class TestBudget:
    def test_an_epoch_is_whole_batches(self) -> None:
        assert budget.steps_per_epoch(1000, 10) == 100
        assert budget.steps_per_epoch(1009, 10) == 100

    def test_the_longer_of_epochs_and_steps(self) -> None:
        assert budget.total_steps(Budget(3, 50), 1000, 10) == 300
        assert budget.total_steps(Budget(3, 50), 1000, 1000) == 50

    @given(st.integers(1, 50), st.integers(2, 400), st.integers(2, 60), st.integers(1, 300))
    def test_evaluations_are_shared_between_batch_sizes(
        self, epochs: int, min_steps: int, evaluations: int, batch_size: int
    ) -> None:
        chosen = Budget(epochs, min_steps, evaluations)
        last, most = (budget.total_steps(chosen, 300, size) for size in (batch_size, 1))
        own = budget.evaluation_steps(chosen, last, epochs * (300 // batch_size))
        longest = budget.evaluation_steps(chosen, most, epochs * 300)
        assert own == sorted(set(own))
        assert own[0] == 1
        assert own[-1] == last
        ends = {last, epochs * (300 // batch_size)}
        assert set(own) - ends <= set(longest)

    @given(
        st.integers(1, 20),
        st.integers(1, 300),
        st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True).map(sorted),
        st.floats(0.1, 0.9),
    )
    def test_a_growing_batch_sees_the_same_examples_in_fewer_steps(
        self, epochs: int, batch_size: int, milestones: list[float], factor: float
    ) -> None:
        growing = Schedule("growth", 0, milestones, factor)
        constant = Pack(Settings(budget=Budget(epochs, 50)), batch_size, 300, ())
        grown = replace(constant, settings=replace(constant.settings, schedule=growing))
        expected = constant.steps * batch_size
        sizes = [phase.batch_size for phase in grown.phases]
        extra = sum(sizes)  # a phase takes at least one step
        assert abs(grown.examples_seen(grown.steps) - expected) <= extra
        assert grown.steps <= constant.steps + len(sizes)
        assert sizes == sorted(sizes)
        assert sizes[0] == batch_size
        assert grown.largest_batch_size <= 300

    def test_growth_on_paper(self) -> None:
        settings = Settings(budget=Budget(8, 50), schedule=Schedule("growth", 0, [0.5, 0.75], 0.5))
        pack = Pack(settings, 10, 100, ())
        found = [(own.steps, own.batch_size, own.first_epoch) for own in pack.phases]
        assert found == [(40, 10, 0), (10, 20, 4), (5, 40, 6)]
        assert pack.examples_seen(pack.steps) == 8 * 100
        assert pack.epochs_seen(45) == 5

    def test_a_batch_beyond_the_data_is_refused(self) -> None:
        assert budget.resolve("full", 300) == 300
        with pytest.raises(InputError, match=r"grid\.batch_size: 301 is beyond the 300"):
            budget.resolve(301, 300)


class TestSchedule:
    @given(st.integers(1, 200), st.integers(0, 50), st.sampled_from(["constant", "cosine", "step"]))
    def test_factors_stay_between_zero_and_one(self, steps: int, warmup: int, name: str) -> None:
        schedule = Schedule(name, warmup, [0.5], 0.1)
        factors = [rate_factor(schedule, step, steps) for step in range(1, steps + 1)]
        assert all(0 <= factor <= 1 for factor in factors)
        rising = factors[:warmup]
        assert rising == sorted(rising)
        assert factors[warmup:] == sorted(factors[warmup:], reverse=True)

    def test_cosine_is_torchs(self) -> None:
        ours = [rate_factor(Schedule("cosine"), step, 10) for step in range(1, 11)]
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        theirs = []
        for _ in range(10):
            theirs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert ours == pytest.approx(theirs)

    def test_warm_up_and_milestones_on_paper(self) -> None:
        schedule = Schedule("step", 2, [0.5, 0.75], 0.1)
        factors = [rate_factor(schedule, step, 8) for step in range(1, 9)]
        assert factors == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


class TestSeeds:
    def test_keys_are_fixed(self) -> None:
        assert seeds.keyed("order", 0, 1, 2) == seeds.keyed("order", 0, 1, 2)
        assert seeds.keyed("order", 0, 12) != seeds.keyed("order", 0, 1, 2)

    def test_the_global_generator_is_untouched(self) -> None:
        torch.manual_seed(3)
        before = torch.get_rng_state()
        seeds.initial_model(Model("mlp", [4]), (2,), 2, 0, 0)
        seeds.data_order(0, 0, 0, 10)
        assert torch.equal(torch.get_rng_state(), before)

    def test_weights_follow_the_seed_alone(self) -> None:
        first, again, other = (
            seeds.initial_model(Model("mlp", [4]), (2,), 2, 0, seed).state_dict()
            for seed in (0, 0, 1)
        )
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert not torch.equal(first["1.weight"], other["1.weight"])


class TestLosses:
    @pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1e4])
    def test_divergence(self, loss: float) -> None:
        assert has_diverged(loss)
        assert not has_diverged(2.3)

    def test_r2_and_accuracy_on_paper(self) -> None:
        x = torch.tensor([[0.0], [1.0], [2.0]])
        loss, r2 = loss_and_score(lambda x: x, Part(x, x + 1), "regression")
        assert loss == pytest.approx(1)
        assert r2 == pytest.approx(1 - 1 / (2 / 3))
        right = Part(x, torch.tensor([0, 0, 1]))
        scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        assert loss_and_score(lambda _: scores, right, "classification")[1] == pytest.approx(2 / 3)


def make_pack(rates: list[float], batch_size: int = 8, examples: int = 64, **keys: object) -> Pack:
    base = Settings(model=Model("mlp", [8]), budget=Budget(4, 20, 8))
    cells = tuple(Cell("baseline", batch_size, lr, seed) for lr in rates for seed in (0, 1))
    return Pack(replace(base, **keys), batch_size, examples, cells)  # type: ignore[arg-type]


def train(pack: Pack, data: Dataset) -> Trained:
    counted: list[int] = []
    trained = loop.train(pack, data, counted.append)
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
