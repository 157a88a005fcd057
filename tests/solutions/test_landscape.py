"""Lines between and around solutions."""

import numpy as np
import torch
from torch import nn

from makers.data import MakeData
from makers.solutions import NETWORKS, double_precision, solutions_of
from pipeline.solutions import landscape
from pipeline.training import seeds


class TestLandscape:
    def test_identical_networks_have_a_flat_line(self, make_data: MakeData) -> None:
        data = make_data()
        one = solutions_of(NETWORKS["mlp"], data, 1)
        loss, _ = landscape.between(one, one).losses_and_scores(double_precision(data.train))
        np.testing.assert_allclose(loss, float(one.losses(double_precision(data.train))))

    def test_the_line_passes_through_both(self, make_data: MakeData) -> None:
        data = make_data()
        part = double_precision(data.test)
        both = solutions_of(NETWORKS["mlp"], data, 2)
        first, second = (both.take(slice(place, place + 1)) for place in range(2))
        loss, score = landscape.between(first, second).losses_and_scores(part)
        expected, expected_score = both.losses_and_scores(part)
        ends = [int(np.flatnonzero(at == landscape.LINE)[0]) for at in (0, 1)]
        np.testing.assert_allclose(loss[ends], expected)
        np.testing.assert_allclose(score[ends], expected_score)

    def test_directions_are_as_long_as_the_filters(self, make_data: MakeData) -> None:
        solutions = solutions_of(NETWORKS["mlp"], make_data(), 1)
        end = landscape.around(solutions, 0, 0).take(slice(-1, None))
        for name, weights in solutions.params.items():
            moved = end.params[name] - weights
            if weights.ndim == 2:
                assert not moved.any()
            else:
                torch.testing.assert_close(moved.norm(dim=2), weights.norm(dim=2))

    def test_batch_norm_is_measured_anew(self, make_data: MakeData) -> None:
        data = make_data()
        solutions, part = solutions_of(NETWORKS["batch_norm"], data), double_precision(data.train)
        anew = landscape.with_statistics(solutions, part)
        for place in range(len(solutions)):
            model = seeds.initial_model(NETWORKS["batch_norm"], data.shape, 3, 0, place).double()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.momentum = None
            model.train()(part.x)
            for name, buffer in model.named_buffers():
                if "running" in name:
                    torch.testing.assert_close(anew.buffers[name][place], buffer)
        assert landscape.with_statistics(solutions_of(NETWORKS["mlp"], data), part).buffers == {}
