"""Losses, scores and divergence on paper."""

import pytest
import torch

from pipeline.training.dataset import Part
from pipeline.training.losses import has_diverged, loss_and_score


class TestLosses:
    @pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1e4])
    def test_divergence(self, loss: float) -> None:
        assert has_diverged(loss)
        assert not has_diverged(2.3)

    def test_r2_and_accuracy_on_paper(self) -> None:
        x = torch.tensor([[0.0], [1.0], [2.0]])
        loss, r2 = loss_and_score(lambda x: x, Part(x, x + 1), "regression")
        assert loss == pytest.approx(1)
        assert r2 == pytest.approx(1 - 1 / (2 / 3))
        right = Part(x, torch.tensor([0, 0, 1]))
        scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        assert loss_and_score(lambda _: scores, right, "classification")[1] == pytest.approx(2 / 3)
