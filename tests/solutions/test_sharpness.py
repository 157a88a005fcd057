"""Sharpness against the dense Hessian, and on quadratics where it is known."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from makers.data import MakeData
from makers.solutions import NETWORKS, dense_hessian, double_precision, solutions_of
from pipeline.params.network import Model
from pipeline.solutions import sharpness
from pipeline.solutions.surface import Solutions
from pipeline.training.dataset import Dataset, Part


class TestAgainstTheDenseHessian:
    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("network", NETWORKS)
    def test_products_eigenvalues_and_trace(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch, network: str, task: str
    ) -> None:
        monkeypatch.setattr(sharpness, "KRYLOV", 60)
        monkeypatch.setattr(sharpness, "TOLERANCE", 0)
        data = make_data(task)
        solutions, part = solutions_of(NETWORKS[network], data), double_precision(data.train)
        vectors = torch.randn(solutions.flat().shape, dtype=torch.float64)
        products = solutions.hessian_products(part, vectors)
        found = sharpness.spectrum(solutions, part, 0)
        value, error = sharpness.trace(solutions, part, 0)
        for place in range(len(solutions)):
            expected = dense_hessian(solutions, part, place)
            torch.testing.assert_close(products[place], expected @ vectors[place])
            top = torch.linalg.eigvalsh(expected).flip(0)[: sharpness.EIGENVALUES].numpy()
            np.testing.assert_allclose(found.eigenvalues[place], top, rtol=1e-5, atol=1e-9)
            assert abs(value[place] - expected.trace()) <= 5 * error[place] + 1e-9

    def test_few_iterations_bound_their_error(self, make_data: MakeData) -> None:
        data = make_data()
        solutions, part = solutions_of(NETWORKS["mlp"], data), double_precision(data.train)
        found = sharpness.spectrum(solutions, part, 0)
        for place in range(len(solutions)):
            values = torch.linalg.eigvalsh(dense_hessian(solutions, part, place)).numpy()
            nearest = np.abs(values - found.eigenvalues[place, 0]).min()
            assert nearest <= found.residual[place] + 1e-9
            assert found.residual[place] <= sharpness.TOLERANCE * values[-1]

    def test_single_precision_stays_near(self, make_data: MakeData) -> None:
        data = make_data()
        single = sharpness.spectrum(
            solutions_of(NETWORKS["mlp"], data, dtype=torch.float32), data.train, 0
        )
        double = sharpness.spectrum(
            solutions_of(NETWORKS["mlp"], data), double_precision(data.train), 0
        )
        np.testing.assert_allclose(single.eigenvalues[:, 0], double.eigenvalues[:, 0], rtol=1e-3)


@pytest.fixture
def quadratic() -> tuple[Solutions, Part, Tensor]:
    """Linear regression: its loss is exactly quadratic, with this Hessian in (weights, bias)."""
    x = torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    part = Part(x, (x @ torch.tensor([1.0, -2, 0.5, 3], dtype=torch.float64))[:, None] + 0.7)
    data = Dataset("regression", 1, part, part, part)
    wide = torch.cat([x, torch.ones(40, 1, dtype=torch.float64)], dim=1)
    return solutions_of(Model("linear"), data), part, 2 * wide.T @ wide / 40


class TestQuadratics:
    def test_the_spectrum(self, quadratic: tuple[Solutions, Part, Tensor]) -> None:
        solutions, part, known = quadratic
        top = torch.linalg.eigvalsh(known).flip(0)[:3].numpy()
        found = sharpness.spectrum(solutions, part, 0)
        for values in found.eigenvalues:
            np.testing.assert_allclose(values, top)
        value, error = sharpness.trace(solutions, part, 0)
        assert (np.abs(value - float(known.trace())) <= 4 * error).all()

    @staticmethod
    def highest_corner(solutions: Solutions, part: Part, radius: Tensor, place: int) -> float:
        corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=5)), dtype=torch.float64)
        points = solutions.flat()[place] + corners * radius[place]
        many = solutions.take(torch.full((len(corners),), place))
        return float(many.moved(points).losses(part).max())

    def test_adaptive_finds_the_highest_corner(
        self, quadratic: tuple[Solutions, Part, Tensor]
    ) -> None:
        solutions, part, _ = quadratic
        radius = sharpness.ADAPTIVE_RADIUS * solutions.flat().abs()
        found = sharpness.adaptive(solutions, part)
        for place, before in enumerate(solutions.losses(part)):
            best = self.highest_corner(solutions, part, radius, place) - float(before)
            assert found[place] == pytest.approx(best)

    def test_keskar_by_hand(self, quadratic: tuple[Solutions, Part, Tensor]) -> None:
        solutions, part, _ = quadratic
        epsilon = 1e-2
        radius = epsilon * (solutions.flat().abs() + 1)
        found = sharpness.keskar(solutions, part, epsilon)
        for place, before in enumerate(solutions.losses(part)):
            best = self.highest_corner(solutions, part, radius, place)
            expected = 100 * (best - float(before)) / (1 + float(before))
            assert 0.5 * expected <= found[place] <= expected * (1 + 1e-9)

    def test_the_identity_spans_the_whole_space(
        self, quadratic: tuple[Solutions, Part, Tensor]
    ) -> None:
        solutions, part, _ = quadratic
        whole = sharpness.keskar(solutions, part, 1e-2)
        spanned = sharpness.keskar(solutions, part, 1e-2, torch.eye(5, dtype=torch.float64))
        np.testing.assert_allclose(spanned, whole, rtol=1e-6)

    def test_a_larger_box_is_no_lower(self, quadratic: tuple[Solutions, Part, Tensor]) -> None:
        solutions, part, _ = quadratic
        small, large = (sharpness.keskar(solutions, part, epsilon) for epsilon in (5e-4, 1e-3))
        assert (large > small).all()


def test_a_hessian_of_low_rank_gets_no_invented_eigenvalues() -> None:
    x = torch.zeros(20, 50)
    x[:, 0] = torch.linspace(-1, 1, 20)
    data = Dataset("regression", 1, *[Part(x, x[:, :1])] * 3)
    solutions = solutions_of(Model("linear"), data, dtype=torch.float32)
    found = sharpness.spectrum(solutions, data.train, 0)  # rank 2: a slope and a bias
    wide = torch.stack([x[:, 0], torch.ones(20)], dim=1).double()
    top = torch.linalg.eigvalsh(2 * wide.T @ wide / 20).flip(0).numpy()
    for values in found.eigenvalues:
        np.testing.assert_allclose(values, [*top, 0], atol=1e-4)
