"""Networks by name, and a user's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from makers.data import text_dataset
from makers.packs import assert_close, lanes, plain
from pipeline.errors import InputError
from pipeline.lanes.plan import make_plan
from pipeline.models.build import build
from pipeline.params.network import Model
from pipeline.params.protocol import Impl
from pipeline.params.schedule import Budget
from pipeline.params.settings import Cell, Settings
from pipeline.training import fit
from pipeline.training.dataset import Dataset
from pipeline.training.pack import Pack


@pytest.mark.parametrize("norm", ["none", "batch", "ghost"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_an_mlp_maps_a_batch_to_outputs(norm: str, activation: str) -> None:
    model = build(Model("mlp", [8, 4], activation, norm, dropout=0.1), (1, 3, 3), 5)
    assert model(torch.zeros(7, 1, 3, 3)).shape == (7, 5)


def test_norm_goes_on_the_chosen_layers() -> None:
    model = build(Model("mlp", [8, 4], norm="batch", norm_layers=[1]), (3,), 2)
    widths = [m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    assert widths == [4]


@pytest.mark.parametrize("norm", ["none", "batch", "ghost"])
def test_a_cnn_pools_as_long_as_it_can(norm: str) -> None:
    model = build(Model("cnn", [4, 6, 8], norm=norm, dropout=0.1), (1, 5, 7), 3)
    assert model(torch.zeros(2, 1, 5, 7)).shape == (2, 3)


def test_a_resnet_keeps_small_images_large() -> None:
    model = build(Model("resnet"), (1, 8, 8), 3).eval()
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert model.conv1.stride == (1, 1)


@pytest.mark.parametrize(("layers", "width", "parameters"), [(20, 16, 272_474), (8, 4, 5_214)])
def test_the_residual_network_for_cifar(layers: int, width: int, parameters: int) -> None:
    """He et al. 2016, table 6: 0.27 million at 20 layers, plus 2,752 of the two projections."""
    model = build(Model("cifar_resnet", layers=layers, width=width), (3, 32, 32), 10)
    counted = [m for name, m in model.named_modules()
               if isinstance(m, nn.Conv2d | nn.Linear) and "downsample" not in name]  # fmt: skip
    assert len(counted) == layers
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("name", ["cnn", "resnet", "cifar_resnet"])
def test_image_models_refuse_tables(name: str) -> None:
    with pytest.raises(InputError, match=rf"model\.name: '{name}' needs images"):
        build(Model(name, [4], layers=8) if name == "cifar_resnet" else Model(name, [4]), (13,), 3)


def test_linear_is_one_layer() -> None:
    model = build(Model("linear"), (3,), 2)
    assert [p.shape for p in model.parameters()] == [(2, 3), (2,)]


OWN = """
from torch import nn

def build(shape, outputs, width=3):
    return nn.Sequential(nn.Linear(shape[0], width), nn.Linear(width, outputs))

def wrong(shape, outputs):
    return 5

def narrow(shape, outputs):
    return nn.Linear(shape[0], outputs + 1)

def failing(shape, outputs):
    return nn.Linear(shape[0] + 1, outputs)

def frozen(shape, outputs):
    return nn.Linear(shape[0], outputs).requires_grad_(False)

def half_frozen(shape, outputs):
    model = nn.Sequential(nn.Linear(shape[0], 5), nn.Linear(5, outputs))
    model[0].requires_grad_(False)
    return model

class Tied(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.first = nn.Linear(shape[0], shape[0])
        self.again = self.first
        self.last = nn.Linear(shape[0], outputs)

    def forward(self, x):
        return self.last(self.again(self.first(x)))
"""


OF_TOKENS = """
from torch import nn

def build(shape, outputs):
    return nn.Sequential(nn.Embedding(outputs, 8), nn.Linear(8, outputs))

class Casting(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.embedding, self.head = nn.Embedding(outputs, 8), nn.Linear(8, outputs)

    def forward(self, tokens):
        return self.head(self.embedding(tokens.long()))
"""


class TestOnesOwn:
    @pytest.fixture(autouse=True)
    def _module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "networks_of_a_test.py").write_text(OWN)
        (tmp_path / "networks_for_texts.py").write_text(OF_TOKENS)
        monkeypatch.syspath_prepend(tmp_path)

    def test_its_keys_reach_it(self) -> None:
        name = "networks_of_a_test:build"
        made = [build(Model(name, options=keys), (4,), 2) for keys in ({}, {"width": 7})]
        assert [model[0].out_features for model in made] == [3, 7]

    @pytest.mark.parametrize(
        ("name", "options", "rule"),
        [
            ("build", {"depth": 2}, r"model\.options: \{'depth': 2\} are not what"),
            ("wrong", {}, "returned int, no torch.nn.Module"),
            ("absent", {}, "cannot be imported"),
            ("narrow", {}, r"maps two inputs to \(2, 3\) in float32; asked for are \(2, 2\)"),
            ("failing", {}, r"fails on inputs of \(4,\): "),
            ("frozen", {}, "no parameter to train"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, name: str, options: dict[str, int], rule: str
    ) -> None:
        with pytest.raises(InputError, match=rule):
            build(Model(f"networks_of_a_test:{name}", options=options), (4,), 2)

    @pytest.mark.parametrize("name", ["build", "Casting"])
    def test_a_network_for_texts_trains_as_lanes(self, name: str) -> None:
        settings = Settings(model=Model(f"networks_for_texts:{name}"), budget=Budget(1, 4, 2))
        pack = Pack(settings, 16, 64, (Cell("v", 16, 0.1, 0), Cell("v", 16, 0.1, 1)))
        data = text_dataset()
        assert make_plan(pack, data, Impl()).engine == "traced"
        assert_close(lanes(pack, data), plain(pack, data))
        fit.check(settings, data)

    def test_a_network_for_other_data_is_refused(self, make_data: Callable[..., Dataset]) -> None:
        for_texts = Settings(model=Model("networks_for_texts:build"))
        with pytest.raises(
            InputError, match=r"maps two examples to IndexError: .*, and .* \(2, 3\)"
        ):
            fit.check(for_texts, make_data())
        for_numbers = Settings(model=Model("networks_of_a_test:build"))
        with pytest.raises(InputError, match=r"maps two examples to \w+Error"):
            fit.check(for_numbers, text_dataset())
        fit.check(for_numbers, make_data())

    @pytest.mark.parametrize(("name", "why"), [("half_frozen", "frozen"), ("Tied", "shared")])
    def test_what_lanes_would_train_otherwise_goes_to_the_loop(
        self, make_data: Callable[..., Dataset], name: str, why: str
    ) -> None:
        settings = Settings(model=Model(f"networks_of_a_test:{name}"), budget=Budget(1, 4, 2))
        pack = Pack(settings, 16, 64, (Cell("v", 16, 0.1, 0), Cell("v", 16, 0.1, 1)))
        plan = make_plan(pack, make_data(), Impl(device="cpu"))
        assert plan.engine == "loop"
        assert why in plan.reason

    def test_the_projects_networks_take_no_options(self) -> None:
        with pytest.raises(InputError, match=r"model\.options: .* mlp takes none"):
            Model("mlp", [4], options={"width": 7})
