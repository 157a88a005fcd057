"""The noise of gradients, where it is known."""

import numpy as np
import pytest

from makers.data import MakeData
from makers.solutions import NETWORKS, double_precision, solutions_of
from pipeline.solutions import gradient_noise
from pipeline.training.dataset import Part


class TestGradientNoise:
    DIMENSIONS, LENGTH, SPREAD = 50, 2.0, 1.5
    TRUTH = DIMENSIONS * SPREAD**2 / LENGTH**2

    def draw(self, seed: int, examples: int = 200) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        gradients = self.SPREAD * generator.standard_normal((examples, self.DIMENSIONS))
        gradients[:, 0] += self.LENGTH
        mean = gradients.mean(0)
        return (gradients**2).sum(1), gradients @ mean

    def test_a_known_scale_lies_in_its_interval_as_often_as_said(self) -> None:
        found = [gradient_noise.noise_scale(*self.draw(seed)) for seed in range(300)]
        covered = np.mean([one.low <= self.TRUTH <= one.high for one in found])
        assert 0.92 <= covered <= 0.98
        assert np.mean([one.value for one in found]) == pytest.approx(self.TRUTH, rel=0.03)

    def test_pure_noise_is_not_resolved(self) -> None:
        generator = np.random.default_rng(0)
        gradients = generator.standard_normal((100, 500))
        found = gradient_noise.noise_scale((gradients**2).sum(1), gradients @ gradients.mean(0))
        assert np.isnan(found.value) or found.high > 10 * found.low

    def test_single_gradients_are_those_of_single_examples(self, make_data: MakeData) -> None:
        data = make_data()
        solutions, part = solutions_of(NETWORKS["mlp"], data, 1), double_precision(data.train)
        squares, products = gradient_noise.single_gradients(solutions, part)
        mean = solutions.gradients(part)[0]
        for row in (0, 17, 63):
            one = solutions.gradients(Part(part.x[row : row + 1], part.y[row : row + 1]))[0]
            assert squares[row] == pytest.approx(float(one.square().sum()))
            assert products[row] == pytest.approx(float(one @ mean))
        assert products.mean() == pytest.approx(float(mean.square().sum()))

    def test_batches_agree_as_theory_says(self, make_data: MakeData) -> None:
        data = make_data(examples=512)
        solutions, part = solutions_of(NETWORKS["mlp"], data, 1), double_precision(data.train)
        squares, _ = gradient_noise.single_gradients(solutions, part)
        length = float(solutions.gradients(part).square().sum())
        for found in gradient_noise.agreements(solutions, part, 0):
            m, n = found.examples, len(part)
            expected = np.sqrt((squares.mean() - length) / length / m * (n - m) / (n - 1))
            assert found.relative_error == pytest.approx(expected, rel=0.35)
        assert found.examples == 256
        assert found.cosine > 0.8

    def test_examples_without_a_gradient_have_no_direction(self, make_data: MakeData) -> None:
        data = make_data()
        sure = solutions_of(NETWORKS["mlp"], data, 1)
        sure = sure.moved(1000 * sure.flat())
        part = double_precision(data.train)
        squares, _ = gradient_noise.single_gradients(sure, part)
        assert (squares == 0).any()
        assert (squares > 0).any()
        for found in gradient_noise.agreements(sure, part, 0):
            assert -1 <= found.cosine_q10 <= found.cosine <= 1
        fitted = Part(part.x[squares == 0], part.y[squares == 0])
        for found in gradient_noise.agreements(sure, fitted, 0):
            assert np.isnan([found.relative_error, found.cosine, found.cosine_q10]).all()
