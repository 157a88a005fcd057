"""What is measured of solutions, against answers known in closed form or computed densely."""

import itertools
import sys
import types
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev

from pipeline.data.tensors import Dataset, Part
from pipeline.engine import seeds
from pipeline.measure import gradient_noise, landscape, rescaling, sharpness, solutions
from pipeline.measure.solutions import Solutions
from pipeline.params import Model, Settings

MakeData = Callable[..., Dataset]
NETWORKS = {
    "mlp": Model("mlp", [5, 4]),
    "batch_norm": Model("mlp", [5, 4], norm="batch"),
    "dropout": Model("mlp", [5, 4], dropout=0.3),
}


def doubled(part: Part) -> Part:
    return Part(part.x.double(), part.y.double() if part.y.is_floating_point() else part.y)


def made(
    model: Model, data: Dataset, count: int = 3, dtype: torch.dtype = torch.float64
) -> Solutions:
    """Solutions with the initial weights of some seeds, their running statistics off the start."""
    states = [
        seeds.initial_model(model, data.shape, data.outputs, 0, seed).state_dict()
        for seed in range(count)
    ]
    weights = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    weights = {
        name: own.to(dtype) - (0.1 if "running" in name else 0) if own.is_floating_point() else own
        for name, own in weights.items()
    }
    found = solutions.solutions(Settings(model=model), data, weights)
    return replace(found, model=found.model.to(dtype))


def dense(own: Solutions, part: Part, place: int) -> Tensor:
    one = own.take(slice(place, place + 1))
    buffers = {name: tensor[0] for name, tensor in one.buffers.items()}
    return jacrev(jacrev(one.loss(buffers, part.x, part.y)))(one.flat()[0])


class TestAgainstTheDenseHessian:
    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("network", NETWORKS)
    def test_products_eigenvalues_and_trace(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch, network: str, task: str
    ) -> None:
        monkeypatch.setattr(sharpness, "KRYLOV", 60)
        data = make_data(task)
        own, part = made(NETWORKS[network], data), doubled(data.train)
        vectors = torch.randn(own.flat().shape, dtype=torch.float64)
        products = own.hessian_products(part, vectors)
        found = sharpness.spectrum(own, part, 0)
        value, error = sharpness.trace(own, part, 0)
        for place in range(len(own)):
            expected = dense(own, part, place)
            torch.testing.assert_close(products[place], expected @ vectors[place])
            top = torch.linalg.eigvalsh(expected).flip(0)[: sharpness.EIGENVALUES].numpy()
            np.testing.assert_allclose(found.eigenvalues[place], top, rtol=1e-5, atol=1e-9)
            assert abs(value[place] - expected.trace()) <= 5 * error[place] + 1e-9

    def test_few_iterations_bound_their_error(self, make_data: MakeData) -> None:
        data = make_data()
        own, part = made(NETWORKS["mlp"], data), doubled(data.train)
        found = sharpness.spectrum(own, part, 0)
        for place in range(len(own)):
            values = torch.linalg.eigvalsh(dense(own, part, place)).numpy()
            nearest = np.abs(values - found.eigenvalues[place, 0]).min()
            assert nearest <= found.residual[place] + 1e-9

    def test_single_precision_stays_near(self, make_data: MakeData) -> None:
        data = make_data()
        single = sharpness.spectrum(made(NETWORKS["mlp"], data, dtype=torch.float32), data.train, 0)
        double = sharpness.spectrum(made(NETWORKS["mlp"], data), doubled(data.train), 0)
        np.testing.assert_allclose(single.eigenvalues[:, 0], double.eigenvalues[:, 0], rtol=1e-3)


@pytest.fixture
def quadratic() -> tuple[Solutions, Part, Tensor]:
    """Linear regression: its loss is exactly quadratic, with this Hessian in (weights, bias)."""
    x = torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    part = Part(x, (x @ torch.tensor([1.0, -2, 0.5, 3], dtype=torch.float64))[:, None] + 0.7)
    data = Dataset("regression", 1, part, part, part)
    wide = torch.cat([x, torch.ones(40, 1, dtype=torch.float64)], dim=1)
    return made(Model("linear"), data), part, 2 * wide.T @ wide / 40


class TestQuadratics:
    def test_the_spectrum(self, quadratic: tuple[Solutions, Part, Tensor]) -> None:
        own, part, known = quadratic
        top = torch.linalg.eigvalsh(known).flip(0)[:3].numpy()
        found = sharpness.spectrum(own, part, 0)
        for values in found.eigenvalues:
            np.testing.assert_allclose(values, top)
        value, error = sharpness.trace(own, part, 0)
        assert (np.abs(value - float(known.trace())) <= 4 * error).all()

    @staticmethod
    def highest_corner(own: Solutions, part: Part, radius: Tensor, place: int) -> float:
        corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=5)), dtype=torch.float64)
        points = own.flat()[place] + corners * radius[place]
        many = own.take(torch.full((len(corners),), place))
        return float(many.moved(points).losses(part).max())

    def test_adaptive_finds_the_highest_corner(
        self, quadratic: tuple[Solutions, Part, Tensor]
    ) -> None:
        own, part, _ = quadratic
        radius = sharpness.ADAPTIVE_RADIUS * own.flat().abs()
        found = sharpness.adaptive(own, part)
        for place, before in enumerate(own.losses(part)):
            best = self.highest_corner(own, part, radius, place) - float(before)
            assert found[place] == pytest.approx(best)

    def test_keskar_by_hand(self, quadratic: tuple[Solutions, Part, Tensor]) -> None:
        own, part, _ = quadratic
        epsilon = 1e-2
        radius = epsilon * (own.flat().abs() + 1)
        found = sharpness.keskar(own, part, epsilon)
        for place, before in enumerate(own.losses(part)):
            best = self.highest_corner(own, part, radius, place)
            expected = 100 * (best - float(before)) / (1 + float(before))
            assert 0.5 * expected <= found[place] <= expected * (1 + 1e-9)

    def test_the_identity_spans_the_whole_space(
        self, quadratic: tuple[Solutions, Part, Tensor]
    ) -> None:
        own, part, _ = quadratic
        whole = sharpness.keskar(own, part, 1e-2)
        spanned = sharpness.keskar(own, part, 1e-2, torch.eye(5, dtype=torch.float64))
        np.testing.assert_allclose(spanned, whole, rtol=1e-6)

    def test_a_larger_box_is_no_lower(self, quadratic: tuple[Solutions, Part, Tensor]) -> None:
        own, part, _ = quadratic
        small, large = (sharpness.keskar(own, part, epsilon) for epsilon in (5e-4, 1e-3))
        assert (large > small).all()


def test_a_hessian_of_low_rank_gets_no_invented_eigenvalues() -> None:
    x = torch.zeros(20, 50)
    x[:, 0] = torch.linspace(-1, 1, 20)
    data = Dataset("regression", 1, *[Part(x, x[:, :1])] * 3)
    own = made(Model("linear"), data, dtype=torch.float32)
    found = sharpness.spectrum(own, data.train, 0)  # rank 2: a slope and a bias
    wide = torch.stack([x[:, 0], torch.ones(20)], dim=1).double()
    top = torch.linalg.eigvalsh(2 * wide.T @ wide / 20).flip(0).numpy()
    for values in found.eigenvalues:
        np.testing.assert_allclose(values, [*top, 0], atol=1e-4)


class TestRescaling:
    def test_the_function_and_adaptive_sharpness_stay_the_hessian_moves(
        self, make_data: MakeData
    ) -> None:
        data = make_data()
        own, part = made(NETWORKS["mlp"], data), doubled(data.train)
        other = rescaling.rescaled(own)
        assert other is not None
        assert torch.equal(other.outputs(part.x), own.outputs(part.x))
        np.testing.assert_allclose(
            sharpness.adaptive(other, part), sharpness.adaptive(own, part), rtol=0.01
        )
        before, after = (sharpness.spectrum(one, part, 0).eigenvalues[:, 0] for one in (own, other))
        assert (after > 1.5 * before).all()

    def test_convolutions_too(self) -> None:
        x = torch.rand(8, 1, 6, 6, dtype=torch.float64)
        data = Dataset("classification", 2, *[Part(x, torch.arange(8) % 2)] * 3)
        own = made(Model("cnn", [3, 4]), data)
        other = rescaling.rescaled(own)
        assert other is not None
        torch.testing.assert_close(other.outputs(x), own.outputs(x), rtol=1e-12, atol=1e-12)
        assert not torch.equal(other.flat(), own.flat())

    @pytest.mark.parametrize(
        "model",
        [Model("linear"), Model("mlp", [5, 4], "tanh"), Model("mlp", [5, 4], norm="batch")],
    )
    def test_what_cannot_be_rescaled_is_left_out(self, make_data: MakeData, model: Model) -> None:
        assert rescaling.rescaled(made(model, make_data())) is None


class TestLandscape:
    def test_identical_networks_have_a_flat_line(self, make_data: MakeData) -> None:
        data = make_data()
        one = made(NETWORKS["mlp"], data, 1)
        loss, _ = landscape.between(one, one).losses_and_scores(doubled(data.train))
        np.testing.assert_allclose(loss, float(one.losses(doubled(data.train))))

    def test_the_line_passes_through_both(self, make_data: MakeData) -> None:
        data = make_data()
        part = doubled(data.test)
        both = made(NETWORKS["mlp"], data, 2)
        first, second = (both.take(slice(place, place + 1)) for place in range(2))
        loss, score = landscape.between(first, second).losses_and_scores(part)
        expected, expected_score = both.losses_and_scores(part)
        ends = [int(np.flatnonzero(at == landscape.LINE)[0]) for at in (0, 1)]
        np.testing.assert_allclose(loss[ends], expected)
        np.testing.assert_allclose(score[ends], expected_score)

    def test_directions_are_as_long_as_the_filters(self, make_data: MakeData) -> None:
        own = made(NETWORKS["mlp"], make_data(), 1)
        end = landscape.around(own, 0, 0).take(slice(-1, None))
        for name, weights in own.params.items():
            moved = end.params[name] - weights
            if weights.ndim == 2:
                assert not moved.any()
            else:
                torch.testing.assert_close(moved.norm(dim=2), weights.norm(dim=2))

    def test_batch_norm_is_measured_anew(self, make_data: MakeData) -> None:
        data = make_data()
        own, part = made(NETWORKS["batch_norm"], data), doubled(data.train)
        anew = landscape.with_statistics(own, part)
        for place in range(len(own)):
            model = seeds.initial_model(NETWORKS["batch_norm"], data.shape, 3, 0, place).double()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.momentum = None
            model.train()(part.x)
            for name, buffer in model.named_buffers():
                if "running" in name:
                    torch.testing.assert_close(anew.buffers[name][place], buffer)
        assert landscape.with_statistics(made(NETWORKS["mlp"], data), part).buffers == {}


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
        own, part = made(NETWORKS["mlp"], data, 1), doubled(data.train)
        squares, products = gradient_noise.single_gradients(own, part)
        mean = own.gradients(part)[0]
        for row in (0, 17, 63):
            one = own.gradients(Part(part.x[row : row + 1], part.y[row : row + 1]))[0]
            assert squares[row] == pytest.approx(float(one.square().sum()))
            assert products[row] == pytest.approx(float(one @ mean))
        assert products.mean() == pytest.approx(float(mean.square().sum()))

    def test_batches_agree_as_theory_says(self, make_data: MakeData) -> None:
        data = make_data(examples=512)
        own, part = made(NETWORKS["mlp"], data, 1), doubled(data.train)
        squares, _ = gradient_noise.single_gradients(own, part)
        length = float(own.gradients(part).square().sum())
        for found in gradient_noise.agreements(own, part, 0):
            m, n = found.examples, len(part)
            expected = np.sqrt((squares.mean() - length) / length / m * (n - m) / (n - 1))
            assert found.relative_error == pytest.approx(expected, rel=0.35)
        assert found.examples == 256
        assert found.cosine > 0.8

    def test_examples_without_a_gradient_have_no_direction(self, make_data: MakeData) -> None:
        data = make_data()
        sure = made(NETWORKS["mlp"], data, 1)
        sure = sure.moved(1000 * sure.flat())
        part = doubled(data.train)
        squares, _ = gradient_noise.single_gradients(sure, part)
        assert (squares == 0).any()
        assert (squares > 0).any()
        for found in gradient_noise.agreements(sure, part, 0):
            assert -1 <= found.cosine_q10 <= found.cosine <= 1
        fitted = Part(part.x[squares == 0], part.y[squares == 0])
        for found in gradient_noise.agreements(sure, fitted, 0):
            assert np.isnan([found.relative_error, found.cosine, found.cosine_q10]).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_one_by_one_equals_all_at_once(make_data: MakeData, network: str) -> None:
    data = make_data()
    own, part = made(NETWORKS[network], data), doubled(data.train)
    slow = replace(own, batched=False)
    vectors = torch.randn(own.flat().shape, dtype=torch.float64)
    torch.testing.assert_close(slow.losses(part), own.losses(part))
    torch.testing.assert_close(slow.gradients(part), own.gradients(part))
    torch.testing.assert_close(
        slow.hessian_products(part, vectors), own.hessian_products(part, vectors)
    )
    np.testing.assert_allclose(slow.losses_and_scores(part)[0], own.losses_and_scores(part)[0])
    for one, other in zip(
        gradient_noise.agreements(slow.take(slice(0, 1)), part, 0),
        gradient_noise.agreements(own.take(slice(0, 1)), part, 0),
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
    own = made(Model("branching:build"), data)
    assert not own.batched
    assert np.isfinite(sharpness.spectrum(own, doubled(data.train), 0).eigenvalues).all()
    assert made(NETWORKS["mlp"], data).batched


def test_chunks_of_examples_change_nothing(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data()
    own, part = made(NETWORKS["mlp"], data), doubled(data.train)
    whole = own.losses_and_gradients(part)
    monkeypatch.setattr(solutions, "EXAMPLES_AT_ONCE", 3 * 7)
    for one, other in zip(own.losses_and_gradients(part), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_flat_parameters_come_back_as_they_were(make_data: MakeData) -> None:
    own = made(NETWORKS["batch_norm"], make_data())
    for name, tensor in own.moved(own.flat()).params.items():
        assert torch.equal(tensor, own.params[name])


def test_a_sample_is_the_same_every_time_and_a_part_of_the_whole(make_data: MakeData) -> None:
    part = make_data().train
    first, again = (solutions.sample(part, 10, 3) for _ in range(2))
    assert torch.equal(first.x, again.x)
    assert len(first) == 10
    assert all((row == part.x).all(1).any() for row in first.x)
    assert solutions.sample(part, 10_000, 3) is part
