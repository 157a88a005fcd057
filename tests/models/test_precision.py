"""Training in bfloat16."""

import sys
import types
from dataclasses import replace
from typing import Any

import pytest
import torch

from makers.data import MakeData
from makers.packs import lanes, make_pack
from pipeline.errors import InputError
from pipeline.lanes import run
from pipeline.models.build import build, matrices
from pipeline.models.precision import MixedPrecision
from pipeline.params.network import Model
from pipeline.params.settings import Settings
from pipeline.solutions.rescaling import neighbours
from pipeline.speed.single import PARTS, Training
from pipeline.training import fit, loop, seeds

MODEL = Model("mlp", [16, 16], precision="bfloat16")


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build(MODEL, (8,), 3)


def test_only_training_is_rounded(network: torch.nn.Module) -> None:
    torch.manual_seed(0)
    whole = build(Model("mlp", [16, 16]), (8,), 3)
    x = torch.randn(32, 8)
    exact, rounded = whole(x), network.train()(x)
    assert rounded.dtype == torch.float32
    assert torch.equal(network.eval()(x), exact)
    difference = (rounded - exact).abs().max() / exact.abs().max()
    assert 1e-4 < difference < 2**-6  # bfloat16 has 8 bits


def test_weights_and_gradients_stay_float32(network: torch.nn.Module) -> None:
    network.train()(torch.randn(4, 8)).sum().backward()
    for parameter in network.parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32


SEEN: set[tuple[bool, str]] = set()
"""Whether a network that was called is in training, and how a GPU would multiply then."""


class Watching(torch.nn.Linear):
    """A network that looks at that."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(shape[0], outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        SEEN.add((self.training, torch.get_float32_matmul_precision()))
        return super().forward(x)


class WatchingSGD(torch.optim.SGD):
    """Its steps, too, may multiply matrices."""

    def step(self) -> None:  # type: ignore[override]
        SEEN.add((True, torch.get_float32_matmul_precision()))
        super().step()


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A setting that asks for TF32, as no CPU would be allowed to."""
    module = types.ModuleType("own_watching")
    module.build = Watching  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_watching", module)
    monkeypatch.setitem(loop.PLAIN, "sgd", lambda model, _, lr: WatchingSGD(model.parameters(), lr))
    SEEN.clear()
    return make_pack(model=Model("own_watching:build", precision="tf32")).settings


WANTED = {(True, "high"), (False, "highest")}


class TestRounding:
    def test_the_loop_trains_so_and_does_not_evaluate_so(
        self, watching: Settings, make_data: MakeData
    ) -> None:
        pack = make_pack((0.03,), (0,), model=watching.model)
        loop.train_cells(pack, make_data(), lambda _: None)
        assert SEEN == WANTED

    def test_what_is_timed_is_what_trains(self, watching: Settings, make_data: MakeData) -> None:
        training = Training(replace(watching, lr=(0.1,)), make_data())
        training.stepper(8)()
        training.stepper(8, 2)()
        for name in PARTS:
            training.part(name, 8)()
        training.evaluate()
        assert SEEN == WANTED

    def test_lanes_train_so(
        self, watching: Settings, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, seen = run.run_steps, set()

        def run_steps(*arguments: Any) -> torch.Tensor:
            seen.add(torch.get_float32_matmul_precision())
            return real(*arguments)

        monkeypatch.setattr(run, "run_steps", run_steps)
        lanes(make_pack(model=watching.model), make_data())
        assert seen == {"high"}
        assert torch.get_float32_matmul_precision() == "highest"

    def test_it_is_no_other_network(self) -> None:
        assert not isinstance(build(Model("mlp", precision="tf32"), (8,), 3), MixedPrecision)


def test_a_cpu_does_not_round_them(make_data: MakeData) -> None:
    settings = Settings(model=Model("mlp", [8], precision="tf32"))
    with pytest.raises(InputError, match=r"model\.precision: 'tf32' needs a CUDA GPU"):
        fit.check(settings, make_data())


def test_muon_finds_its_matrices(network: torch.nn.Module) -> None:
    hidden = {network.get_parameter(name).shape for name in matrices(network)}
    assert hidden == {(16, 8), (16, 16)}
    tied = Model("transformer", layers=1, heads=1, width=8, tied=True, precision="bfloat16")
    assert len(matrices(build(tied, (4,), 5))) == len(
        matrices(build(Model("transformer", layers=1, heads=1, width=8, tied=True), (4,), 5))
    )


def test_dropout_is_that_of_float32() -> None:
    models = [
        build(Model("mlp", [16], dropout=0.5, precision=precision), (8,), 3)
        for precision in ("float32", "bfloat16")
    ]
    whole, rounded = (seeds.dropout_bases(model, 0, 1) for model in models)
    assert len(whole) == len(rounded) == 1
    assert torch.equal(*whole.values(), *rounded.values())


def test_layers_are_found_inside() -> None:
    models = [
        build(Model("mlp", [16, 16], precision=precision), (8,), 3)
        for precision in ("float32", "bfloat16")
    ]
    whole, rounded = (neighbours(model) for model in models)
    assert rounded == [(f"network.{one}", f"network.{other}") for one, other in whole]
    assert len(whole) == 2
