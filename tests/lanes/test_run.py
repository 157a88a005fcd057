"""The lane engine against the plain loop, and the promises about a lane's bits."""

import copy
import sys
import types
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from makers.data import MakeData, text_dataset
from makers.packs import (
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    TRANSFORMERS,
    assert_close,
    assert_same_bits,
    lanes,
    make_job,
    make_pack,
    plain,
    with_snapshots,
)
from pipeline.lanes import run
from pipeline.lanes.pieces import train_pieces
from pipeline.params.network import Model
from pipeline.params.schedule import Budget
from pipeline.training.dataset import Dataset, Part
from pipeline.training.learning_rate import factor_at
from pipeline.training.pack import FINALS, interleaved

TASKS = ["classification", pytest.param("regression", marks=pytest.mark.slow)]


def slow_but(quick: str) -> list[Any]:
    """All models, of which one is tried in a quick run too."""
    return [pytest.param(name, marks=[] if name == quick else pytest.mark.slow) for name in MODELS]


def images(shape: tuple[int, int, int]) -> Dataset:
    """A few images, bright ones and dark ones, the same in every part."""
    pixels = torch.rand(24, *shape, generator=torch.Generator().manual_seed(0))
    part = Part(pixels, (pixels.mean((1, 2, 3)) > 0.5).long())
    return Dataset("classification", 2, part, part, part)


class TestEqualsThePlainLoop:
    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_every_optimizer(self, make_data: MakeData, optimizer: str, task: str) -> None:
        pack, data = make_pack(optimizer=OPTIMIZERS[optimizer]), make_data(task)
        assert_close(lanes(pack, data), plain(pack, data))

    @pytest.mark.parametrize(
        "optimizer", ["momentum", pytest.param("adamw", marks=pytest.mark.slow)]
    )
    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_every_schedule(self, make_data: MakeData, schedule: str, optimizer: str) -> None:
        keys = {"schedule": SCHEDULES[schedule], "optimizer": OPTIMIZERS[optimizer]}
        pack, data = make_pack(**keys), make_data()
        assert_close(lanes(pack, data), plain(pack, data))

    def test_adams_exchange_on_paper(self) -> None:
        pack = make_pack(schedule=replace(SCHEDULES["seesaw"], warmup_steps=0))
        sizes = [pack.phase(step - 1).batch_size for step in range(1, pack.steps + 1)]
        assert sorted(set(sizes)) == [8, 20, 50]
        factors = [factor_at(pack, step) for step in range(1, pack.steps + 1)]
        assert factors == pytest.approx([(8 / size) ** 0.5 for size in sizes])

    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("model", MODELS)
    def test_every_model(self, make_data: MakeData, model: str, task: str) -> None:
        pack, data = make_pack(model=MODELS[model]), make_data(task)
        assert_close(lanes(pack, data), plain(pack, data))

    @pytest.mark.parametrize(
        "name", ["plain", "normed", "small", pytest.param("resnet", marks=pytest.mark.slow)]
    )
    def test_convolutions(self, name: str) -> None:
        model = {
            "plain": Model("cnn", [3, 4]),
            "normed": Model("cnn", [3], norm="batch", dropout=0.2),
            "small": Model("cifar_resnet", layers=8, width=2),
            "resnet": Model("resnet"),
        }[name]
        data = images((1, 6, 6))
        pack = replace(make_pack((0.01,), (0, 1), model=model), snapshots=(), examples=24)
        pack = replace(pack, settings=replace(pack.settings, budget=Budget(1, 3, 2)))
        assert_close(lanes(pack, data), plain(pack, data))

    @pytest.mark.parametrize("name", TRANSFORMERS)
    def test_transformers(self, name: str) -> None:
        keys = {"model": TRANSFORMERS[name], "optimizer": OPTIMIZERS["adamw"]}
        pack, data = make_pack(**keys), text_dataset()
        assert_close(lanes(pack, data), plain(pack, data))

    def test_fewer_bits(self, make_data: MakeData) -> None:
        """Sums of bfloat16 in another order differ by its 8 bits, and less than from float32."""
        whole, data = make_pack(model=MODELS["both"], optimizer=OPTIMIZERS["adamw"]), make_data()
        model = replace(MODELS["both"], precision="bfloat16")
        pack = replace(whole, settings=replace(whole.settings, model=model))
        found, expected = lanes(pack, data), plain(pack, data)
        for name in ("train_loss", "val_loss"):
            curve = expected.curves[name]
            np.testing.assert_allclose(found.curves[name], curve, rtol=0.05, err_msg=name)
            assert not np.allclose(plain(whole, data).curves[name], curve, rtol=1e-4)

    @pytest.mark.slow
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        batch_size=st.integers(2, 64),
        rates=st.lists(st.floats(1e-3, 0.1), min_size=1, max_size=3, unique=True),
        seeds=st.lists(st.integers(0, 2000), min_size=1, max_size=3, unique=True),
        optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    )
    def test_any_small_grid(
        self, make_data: MakeData, batch_size: int, rates: list[float], seeds: list[int],
        optimizer: str,
    ) -> None:  # fmt: skip
        if optimizer.startswith("rmsprop"):  # its first steps are many times as long as its rate,
            rates = [rate / 20 for rate in rates]  # and where that is chaos, rounding decides
        pack = make_pack(tuple(rates), tuple(seeds), optimizer=OPTIMIZERS[optimizer])
        pack = with_snapshots(replace(pack, snapshots=(), batch_size=batch_size))
        assert_close(lanes(pack, make_data()), plain(pack, make_data()))

    @pytest.mark.slow
    def test_compiled(self, make_data: MakeData) -> None:
        pack, data = make_pack(model=MODELS["both"], optimizer=OPTIMIZERS["adam"]), make_data()
        found = lanes(pack, data, engine="compiled")
        assert_close(found, plain(pack, data))
        assert set(found.engine) == {"compiled"}
        alone = lanes(pack.part([1, 4]), data, engine="compiled")
        assert_same_bits(alone, found.part([1, 4]))

    def test_micro_batches_add_up_to_the_batch(self, make_data: MakeData) -> None:
        pack, data = make_pack(optimizer=OPTIMIZERS["momentum"]), make_data()
        found = lanes(pack, data, micro_batches=3)
        assert_close(found, plain(pack, data))
        assert set(found.micro_batches) == {3}


class TestBits:
    @pytest.mark.parametrize("name", TRANSFORMERS)
    def test_a_transformer_does_not_depend_on_its_neighbours(self, name: str) -> None:
        keys = {"model": TRANSFORMERS[name], "optimizer": OPTIMIZERS["adamw"]}
        pack, data = make_pack(**keys), text_dataset()
        whole = lanes(pack, data)
        assert_same_bits(lanes(pack.part([0]), data), whole.part([0]))
        assert_same_bits(lanes(pack.part([1, 4, 5]), data), whole.part([1, 4, 5]))

    @pytest.mark.parametrize(
        "optimizer", ["momentum", pytest.param("adam", marks=pytest.mark.slow)]
    )
    @pytest.mark.parametrize("model", slow_but("both"))
    def test_a_lane_does_not_depend_on_its_neighbours(
        self, make_data: MakeData, model: str, optimizer: str
    ) -> None:
        keys = {"model": MODELS[model], "optimizer": OPTIMIZERS[optimizer]}
        pack, data = make_pack(**keys), make_data()
        whole = lanes(pack, data)
        for places in ([3], [4, 0], [5, 1, 2]):
            assert_same_bits(lanes(pack.part(places), data), whole.part(places))

    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    @pytest.mark.parametrize(
        "model",
        [
            Model("cnn", [8, 16], norm="batch"),
            Model("cnn", [2, 16, 3, 8]),
            Model("cnn", [8, 16, 8, 8]),
            Model("cnn", [8, 16, 8, 8], norm="batch"),
            Model("cifar_resnet", layers=8, width=8),
        ],
    )
    def test_convolutions_do_not_depend_on_their_neighbours(
        self, model: Model, channels: int
    ) -> None:
        """Over two or three channels they would take other kernels by the number of lanes, and in
        images of one pixel the sums over examples would be taken in another order."""
        self.check_convolutions(model, channels)

    def check_convolutions(self, model: Model, channels: int) -> None:
        data = images((channels, 8, 8))
        pack = make_pack((0.01, 0.1), (0, 1, 2), model=model)
        pack = replace(pack, snapshots=(), examples=len(data.train))
        pack = replace(pack, settings=replace(pack.settings, budget=Budget(1, 3, 2)))
        whole = lanes(pack, data)
        for places in ([3], [4, 0], [5, 1, 2]):
            assert_same_bits(lanes(pack.part(places), data), whole.part(places))

    @pytest.mark.parametrize(
        "layers",
        [
            (nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3)),
            (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 2, 3), nn.ReLU()),
            (nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 16, 3, groups=2)),
        ],
        ids=["normed", "transposed", "grouped"],
    )
    def test_nor_do_those_of_ones_own(
        self, layers: tuple[nn.Module, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = types.ModuleType("own_images")
        network = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(2))
        network(torch.zeros(2, 3, 8, 8))
        module.build = lambda shape, outputs: copy.deepcopy(network)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "own_images", module)
        self.check_convolutions(Model("own_images:build"), 3)

    def test_the_same_again(self, make_data: MakeData) -> None:
        pack, data = make_pack(model=MODELS["both"]), make_data()
        assert_same_bits(lanes(pack, data), lanes(pack, data))

    def test_pieces_of_any_size_join_to_the_same(self, make_data: MakeData) -> None:
        pack, data = make_pack(), make_data()
        whole = lanes(pack, data)
        for at_once in (2, 3, 4):
            assert_same_bits(train_pieces(pack, make_job(data, lanes_at_once=at_once)), whole)
        dealt = interleaved([lanes(pack.part(range(k, 6, 4)), data) for k in range(4)])
        assert_same_bits(dealt, whole)

    def test_those_that_train_alone_are_one_lane_each(self, make_data: MakeData) -> None:
        pack, job = make_pack(model=MODELS["both"]), make_job(make_data(), lanes_at_once=1)
        whole = train_pieces(pack, job)
        assert {lanes for lanes, *_ in job.programs} == {1}
        assert_same_bits(train_pieces(pack.part([4]), job), whole.part([4]))

    def test_global_state_is_untouched(self, make_data: MakeData) -> None:
        torch.manual_seed(1)
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        lanes(make_pack(model=MODELS["both"]), make_data())
        plain(make_pack((0.1,), (0,)), make_data())
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads
        assert torch.get_default_dtype() == torch.float32


def test_the_last_snapshot_is_the_end(make_data: MakeData) -> None:
    pack = make_pack((0.03, 1e6))
    found = lanes(pack, make_data("regression"))
    for name, weights in found.weights.items():
        last = found.snapshots[f"{pack.steps}/{name}"]
        assert np.array_equal(last[:3], weights[:3])
        assert not np.array_equal(found.snapshots[f"{pack.snapshots[0]}/{name}"][:3], weights[:3])
        assert np.isnan(last[3:]).all()


class TestDivergence:
    @pytest.mark.parametrize("task", ["classification", "regression"])
    def test_a_dead_lane_is_a_result_and_harms_nobody(self, make_data: MakeData, task: str) -> None:
        data = make_data(task)
        pack = make_pack((0.03, 1e6, float(np.float32(3e38))))
        found, expected = lanes(pack, data), plain(pack, data)
        assert (expected.diverged_step[3:] > 0).all()
        assert_close(found.part([0, 1, 2]), expected.part([0, 1, 2]))
        assert np.array_equal(found.diverged_step, expected.diverged_step)
        healthy = lanes(make_pack((0.03,)), data)
        assert_same_bits(found.part([0, 1, 2]), healthy)
        for name in FINALS:
            assert np.isnan(found.finals[name][3:]).all()
        for name in found.weights:
            assert np.isfinite(found.weights[name]).all()

    def test_when_all_die_the_training_ends(self, make_data: MakeData) -> None:
        pack, data = make_pack((1e9,)), make_data("regression")
        found = lanes(pack, data)
        assert (found.diverged_step > 0).all()
        assert np.array_equal(found.diverged_step, plain(pack, data).diverged_step)

    def test_most_dead_are_dropped(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes: list[int] = []
        use = run.Run.use

        def spy(self: run.Run, trainee: run.Trainee) -> None:
            sizes.append(len(trainee.lanes))
            use(self, trainee)

        monkeypatch.setattr(run.Run, "use", spy)
        pack = make_pack((0.03, 1e9, 1e10, 1e11), (0,))
        assert_close(lanes(pack, make_data("regression")), plain(pack, make_data("regression")))
        assert sizes[0] == 4
        assert sizes[-1] == 2


@pytest.mark.usefixtures("own_module")
class TestOwnModel:
    @pytest.mark.parametrize("name", ["build", "low_rank"])
    def test_it_trains_as_lanes(self, make_data: MakeData, name: str) -> None:
        pack, data = make_pack(model=Model(f"own_module:{name}")), make_data()
        assert_close(lanes(pack, data), plain(pack, data))
