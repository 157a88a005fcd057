"""The lane engine against the plain loop, and the promises about a lane's bits."""

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.data.tensors import Dataset, Part
from pipeline.engine import loop, run, vectorised
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.pack import CURVES, FINALS, Pack, Trained, interleaved
from pipeline.engine.plan import Plan
from pipeline.params import Budget, Cell, Model, Optimizer, Schedule, Settings

MakeData = Callable[..., Dataset]
OPTIMIZERS = {
    "sgd": Optimizer("sgd"),
    "decay": Optimizer("sgd", 0.0, 0.05),
    "momentum": Optimizer("sgd", 0.9, 0.01),
    "nesterov": Optimizer("nesterov", 0.9, 0.01),
    "adagrad": Optimizer("adagrad", 0.0, 0.01),
    "adam": Optimizer("adam", 0.0, 0.01),
    "adam_fast": Optimizer("adam", 0.0, 0.01, beta2=0.9),
    "adamw": Optimizer("adamw", 0.0, 0.1),
    "lars": Optimizer("lars", 0.9, 0.01),
    "lamb": Optimizer("lamb", 0.0, 0.01),
}
SCHEDULES = {
    "constant": Schedule(),
    "cosine": Schedule("cosine", 3),
    "step": Schedule("step", 2, [0.5, 0.8], 0.3),
    "growth": Schedule("growth", 2, [0.3, 0.6], 0.4),
}
MODELS = {
    "linear": Model("linear"),
    "mlp": Model("mlp", [8, 5]),
    "tanh": Model("mlp", [8], "tanh"),
    "batch_norm": Model("mlp", [8, 5], norm="batch"),
    "chosen_norm": Model("mlp", [8, 5], "gelu", "batch", [1]),
    "dropout": Model("mlp", [8, 5], dropout=0.3),
    "ghost": Model("mlp", [8, 5], norm="ghost", ghost_size=4),
    "both": Model("mlp", [8, 5], norm="batch", dropout=0.2),
}


def make_pack(
    rates: tuple[float, ...] = (0.003, 0.03), seeds: tuple[int, ...] = (0, 1, 5), **keys: object
) -> Pack:
    base = Settings(model=Model("mlp", [8, 5]), budget=Budget(3, 16, 6))
    cells = tuple(Cell("baseline", 8, lr, seed) for lr in rates for seed in seeds)
    return with_snapshots(Pack(replace(base, **keys), 8, 64, cells))  # type: ignore[arg-type]


def with_snapshots(pack: Pack) -> Pack:
    return replace(pack, snapshots=(pack.evaluation_steps[2], pack.steps))


def lanes(pack: Pack, data: Dataset, **keys: object) -> Trained:
    counted: list[int] = []
    chosen = {"engine": "traced"} | keys
    trained = vectorised.train(pack, data, counted.append, **chosen)  # type: ignore[arg-type]
    assert sum(counted) == pack.steps * len(pack.cells)
    return trained


def plain(pack: Pack, data: Dataset) -> Trained:
    return loop.train(pack, data, lambda _: None)


def assert_close(found: Trained, expected: Trained) -> None:
    assert np.array_equal(found.diverged_step, expected.diverged_step)
    assert found.weights.keys() == expected.weights.keys()
    for name, weights in (expected.weights | expected.snapshots).items():
        own = (found.weights | found.snapshots)[name]
        np.testing.assert_allclose(own, weights, rtol=2e-3, atol=2e-5, err_msg=name)
    for name in CURVES:
        np.testing.assert_allclose(
            found.curves[name], expected.curves[name], rtol=2e-3, atol=2e-5, err_msg=name
        )
    for name in FINALS:
        np.testing.assert_allclose(found.finals[name], expected.finals[name], rtol=2e-3, atol=2e-5)


def assert_same_bits(found: Trained, expected: Trained) -> None:
    assert np.array_equal(found.diverged_step, expected.diverged_step)
    for group in ("weights", "snapshots", "curves", "finals"):
        for name, array in getattr(expected, group).items():
            assert np.array_equal(getattr(found, group)[name], array, equal_nan=True), name


def cells_of(trained: Trained, places: list[int]) -> Trained:
    return replace(
        trained,
        curves={name: curve[places] for name, curve in trained.curves.items()},
        finals={name: final[places] for name, final in trained.finals.items()},
        diverged_step=trained.diverged_step[places],
        weights={name: weights[places] for name, weights in trained.weights.items()},
        snapshots={name: weights[places] for name, weights in trained.snapshots.items()},
    )


class TestEqualsThePlainLoop:
    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_every_optimizer(self, make_data: MakeData, optimizer: str, task: str) -> None:
        pack, data = make_pack(optimizer=OPTIMIZERS[optimizer]), make_data(task)
        assert_close(lanes(pack, data), plain(pack, data))

    @pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_every_schedule(self, make_data: MakeData, schedule: str, optimizer: str) -> None:
        keys = {"schedule": SCHEDULES[schedule], "optimizer": OPTIMIZERS[optimizer]}
        pack, data = make_pack(**keys), make_data()
        assert_close(lanes(pack, data), plain(pack, data))

    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("model", MODELS)
    def test_every_model(self, make_data: MakeData, model: str, task: str) -> None:
        pack, data = make_pack(model=MODELS[model]), make_data(task)
        assert_close(lanes(pack, data), plain(pack, data))

    @pytest.mark.parametrize("name", ["plain", "normed", "resnet"])
    def test_convolutions(self, name: str) -> None:
        model = {
            "plain": Model("cnn", [3, 4]),
            "normed": Model("cnn", [3], norm="batch", dropout=0.2),
            "resnet": Model("resnet"),
        }[name]
        pixels = torch.rand(24, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        part = Part(pixels, (pixels.mean((1, 2, 3)) > 0.5).long())
        data = Dataset("classification", 2, part, part, part)
        pack = replace(make_pack((0.01,), (0, 1), model=model), snapshots=(), examples=24)
        pack = replace(pack, settings=replace(pack.settings, budget=Budget(1, 3, 2)))
        assert_close(lanes(pack, data), plain(pack, data))

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
        assert_same_bits(alone, cells_of(found, [1, 4]))

    def test_micro_batches_add_up_to_the_batch(self, make_data: MakeData) -> None:
        pack, data = make_pack(optimizer=OPTIMIZERS["momentum"]), make_data()
        found = lanes(pack, data, micro=3)
        assert_close(found, plain(pack, data))
        assert set(found.micro_batches) == {3}


class TestBits:
    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("optimizer", ["momentum", "adam"])
    def test_a_lane_does_not_depend_on_its_neighbours(
        self, make_data: MakeData, model: str, optimizer: str
    ) -> None:
        keys = {"model": MODELS[model], "optimizer": OPTIMIZERS[optimizer]}
        pack, data = make_pack(**keys), make_data()
        whole = lanes(pack, data)
        for places in ([3], [4, 0], [5, 1, 2]):
            assert_same_bits(lanes(pack.part(places), data), cells_of(whole, places))

    def test_the_same_again(self, make_data: MakeData) -> None:
        pack, data = make_pack(model=MODELS["both"]), make_data()
        assert_same_bits(lanes(pack, data), lanes(pack, data))

    def test_pieces_of_any_size_join_to_the_same(self, make_data: MakeData) -> None:
        pack, data = make_pack(), make_data()
        whole = lanes(pack, data)
        for at_once in (1, 2, 4):
            plan = Plan("traced", "", 1, at_once, 1)
            assert_same_bits(run.train(pack, data, plan, lambda _: None), whole)
        dealt = interleaved([lanes(pack.part(range(k, 6, 4)), data) for k in range(4)])
        assert_same_bits(dealt, whole)

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
        assert_close(cells_of(found, [0, 1, 2]), cells_of(expected, [0, 1, 2]))
        assert np.array_equal(found.diverged_step, expected.diverged_step)
        healthy = lanes(make_pack((0.03,)), data)
        assert_same_bits(cells_of(found, [0, 1, 2]), healthy)
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
        use = vectorised.Run.use

        def spy(self: vectorised.Run, trainee: vectorised.Trainee) -> None:
            sizes.append(len(trainee.lanes))
            use(self, trainee)

        monkeypatch.setattr(vectorised.Run, "use", spy)
        pack = make_pack((0.03, 1e9, 1e10, 1e11), (0,))
        assert_close(lanes(pack, make_data("regression")), plain(pack, make_data("regression")))
        assert sizes[0] == 4
        assert sizes[-1] == 2


class Interruption(Exception):  # noqa: N818
    """Stands for a kill."""


class TestResume:
    @pytest.mark.parametrize(
        ("optimizer", "schedule"), [("momentum", "constant"), ("adam", "growth")]
    )
    @pytest.mark.parametrize("at", [1, 7, 13])
    def test_a_killed_training_ends_with_the_same_bytes(
        self, make_data: MakeData, tmp_path: Path, at: int, optimizer: str, schedule: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(vectorised, "CHUNK_STEPS", 3)
        monkeypatch.setattr("pipeline.engine.checkpoint.INTERVAL_SECONDS", 0.0)
        keys = {"model": MODELS["both"], "optimizer": OPTIMIZERS[optimizer]}
        keys |= {"schedule": SCHEDULES[schedule], "budget": Budget(4, 16, 6)}
        pack, data = make_pack((0.03, 0.1, 1e9), **keys), make_data("regression")
        expected = lanes(pack, data)
        heard = 0

        def stop(count: int) -> None:
            nonlocal heard
            heard += count
            if heard >= at * len(pack.cells):
                raise Interruption

        path = tmp_path / "saved.safetensors"
        with pytest.raises(Interruption):
            vectorised.train(pack, data, stop, "traced", 1, Checkpoint(path))
        assert path.exists()
        resumed: list[int] = []
        found = vectorised.train(pack, data, resumed.append, "traced", 1, Checkpoint(path))
        assert 0 < sum(resumed) < pack.steps * len(pack.cells)
        assert_same_bits(found, expected)

    def test_a_training_killed_as_its_last_lane_died_goes_on(
        self, make_data: MakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipeline.engine.checkpoint.INTERVAL_SECONDS", 0.0)
        pack, data = make_pack((1e9,)), make_data("regression")
        path = tmp_path / "saved.safetensors"
        expected = vectorised.train(pack, data, lambda _: None, "traced", 1, Checkpoint(path))
        again = vectorised.train(pack, data, lambda _: None, "traced", 1, Checkpoint(path))
        assert_same_bits(again, expected)

    def test_a_finished_training_is_not_repeated(self, make_data: MakeData, tmp_path: Path) -> None:
        store = run.Store(tmp_path, "inputs")
        pack, data = make_pack((0.1,)), make_data()
        for engine in ("traced", "loop"):
            plan = Plan(engine, "", 1, 8, 1)
            first = run.train(pack, data, plan, lambda _: None, store)
            again = run.train(pack, data, plan, lambda _: None, store)
            assert_same_bits(again, first)

    def test_another_configuration_is_not_picked_up(self, tmp_path: Path) -> None:
        store, pack = run.Store(tmp_path, "inputs"), make_pack()
        names = {
            store.checkpoint(pack, "traced", 1).path,
            store.checkpoint(pack, "traced", 2).path,
            store.checkpoint(pack, "compiled", 1).path,
            store.checkpoint(pack.part([0, 1]), "traced", 1).path,
            store.checkpoint(make_pack(seeds=(0, 1, 6)), "traced", 1).path,
            run.Store(tmp_path, "other inputs").checkpoint(pack, "traced", 1).path,
        }
        assert len(names) == 6


class Branching(nn.Module):
    """A model whose path depends on its data, which vmap cannot follow."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(shape[0], outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)
        return out if out.sum() > 0 else -out


def plain_model(shape: tuple[int, ...], outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], 7), nn.LayerNorm(7), nn.SiLU(), nn.Linear(7, outputs))


@pytest.fixture
def own_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("own_module")
    module.build, module.branching = plain_model, Branching  # type: ignore[attr-defined]
    module.no_model = lambda shape, outputs: 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_module", module)


@pytest.mark.usefixtures("own_module")
class TestOwnModel:
    def test_it_trains_as_lanes(self, make_data: MakeData) -> None:
        pack, data = make_pack(model=Model("own_module:build")), make_data()
        assert_close(lanes(pack, data), plain(pack, data))
