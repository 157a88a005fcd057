"""Training in bfloat16."""

import pytest
import torch

from makers.data import MakeData
from pipeline.errors import InputError
from pipeline.models.build import build, matrices
from pipeline.models.precision import GPU_PRODUCTS, MixedPrecision, in_full, products_in
from pipeline.params.network import Model
from pipeline.params.settings import Settings
from pipeline.solutions.rescaling import neighbours
from pipeline.training import fit, seeds

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


@pytest.mark.parametrize(("precision", "inside"), [("tf32", "tf32"), ("float32", "ieee")])
def test_a_gpu_rounds_products_where_it_is_asked_to(precision: str, inside: str) -> None:
    before = [products.fp32_precision for products in GPU_PRODUCTS]
    try:
        in_full()
        with products_in(precision):
            assert [products.fp32_precision for products in GPU_PRODUCTS] == [inside, inside]
        assert [products.fp32_precision for products in GPU_PRODUCTS] == ["ieee", "ieee"]
    finally:
        for products, value in zip(GPU_PRODUCTS, before, strict=True):
            products.fp32_precision = value
    assert not isinstance(build(Model("mlp", precision=precision), (8,), 3), MixedPrecision)


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
