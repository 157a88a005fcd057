"""Rescaled layers leave the function as it was."""

import numpy as np
import pytest
import torch

from makers.data import MakeData
from makers.solutions import NETWORKS, double_precision, solutions_of
from pipeline.params.network import Model
from pipeline.solutions import rescaling, sharpness
from pipeline.training.dataset import Dataset, Part


class TestRescaling:
    def test_the_function_and_adaptive_sharpness_stay_the_hessian_moves(
        self, make_data: MakeData
    ) -> None:
        data = make_data()
        solutions, part = solutions_of(NETWORKS["mlp"], data), double_precision(data.train)
        other = rescaling.rescaled(solutions)
        assert other is not None
        assert torch.equal(other.outputs(part.x), solutions.outputs(part.x))
        np.testing.assert_allclose(
            sharpness.adaptive(other, part), sharpness.adaptive(solutions, part), rtol=0.01
        )
        before, after = (
            sharpness.spectrum(one, part, 0).eigenvalues[:, 0] for one in (solutions, other)
        )
        assert (after > 1.5 * before).all()

    def test_convolutions_too(self) -> None:
        x = torch.rand(8, 1, 6, 6, dtype=torch.float64)
        data = Dataset("classification", 2, *[Part(x, torch.arange(8) % 2)] * 3)
        solutions = solutions_of(Model("cnn", [3, 4]), data)
        other = rescaling.rescaled(solutions)
        assert other is not None
        torch.testing.assert_close(other.outputs(x), solutions.outputs(x), rtol=1e-12, atol=1e-12)
        assert not torch.equal(other.flat(), solutions.flat())

    @pytest.mark.parametrize(
        "model",
        [Model("linear"), Model("mlp", [5, 4], "tanh"), Model("mlp", [5, 4], norm="batch")],
    )
    def test_what_cannot_be_rescaled_is_left_out(self, make_data: MakeData, model: Model) -> None:
        assert rescaling.rescaled(solutions_of(model, make_data())) is None
