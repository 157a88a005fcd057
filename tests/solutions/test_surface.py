"""Many solutions as points of one surface."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from makers.data import MakeData
from makers.solutions import NETWORKS, double_precision, solutions_of
from pipeline.params.network import Model
from pipeline.solutions import gradient_noise, sharpness, surface


@pytest.mark.parametrize("network", NETWORKS)
def test_one_by_one_equals_all_at_once(make_data: MakeData, network: str) -> None:
    data = make_data()
    solutions, part = solutions_of(NETWORKS[network], data), double_precision(data.train)
    slow = replace(solutions, batched=False)
    vectors = torch.randn(solutions.flat().shape, dtype=torch.float64)
    torch.testing.assert_close(slow.losses(part), solutions.losses(part))
    torch.testing.assert_close(slow.gradients(part), solutions.gradients(part))
    torch.testing.assert_close(
        slow.hessian_products(part, vectors), solutions.hessian_products(part, vectors)
    )
    np.testing.assert_allclose(
        slow.losses_and_scores(part)[0], solutions.losses_and_scores(part)[0]
    )
    for one, other in zip(
        gradient_noise.agreements(slow.take(slice(0, 1)), part, 0),
        gradient_noise.agreements(solutions.take(slice(0, 1)), part, 0),
        strict=True,
    ):
        assert one.relative_error == pytest.approx(other.relative_error)


class Branching(nn.Module):
    """Takes a branch by what it sees, which torch.func cannot batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        return outputs if outputs.sum() > 0 else 2 * outputs


def test_a_network_that_cannot_be_batched_is_measured_one_by_one(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("branching")
    module.build = lambda shape, outputs: Branching()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "branching", module)
    data = make_data()
    solutions = solutions_of(Model("branching:build"), data)
    assert not solutions.batched
    assert np.isfinite(
        sharpness.spectrum(solutions, double_precision(data.train), 0).eigenvalues
    ).all()
    assert solutions_of(NETWORKS["mlp"], data).batched


def test_chunks_of_examples_change_nothing(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data()
    solutions, part = solutions_of(NETWORKS["mlp"], data), double_precision(data.train)
    whole = solutions.losses_and_gradients(part)
    monkeypatch.setattr(surface, "EXAMPLES_AT_ONCE", 3 * 7)
    for one, other in zip(solutions.losses_and_gradients(part), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_flat_parameters_come_back_as_they_were(make_data: MakeData) -> None:
    solutions = solutions_of(NETWORKS["batch_norm"], make_data())
    for name, tensor in solutions.moved(solutions.flat()).params.items():
        assert torch.equal(tensor, solutions.params[name])


def test_a_sample_is_the_same_every_time_and_a_part_of_the_whole(make_data: MakeData) -> None:
    part = make_data().train
    first, again = (surface.sample(part, 10, 3) for _ in range(2))
    assert torch.equal(first.x, again.x)
    assert len(first) == 10
    assert all((row == part.x).all(1).any() for row in first.x)
    assert surface.sample(part, 10_000, 3) is part
