"""Ghost batch norm."""

import pytest
import torch
from torch import nn

from pipeline.models.batch_norm import GhostBatchNorm


class TestGhostBatchNorm:
    @pytest.mark.parametrize(("examples", "parts"), [(12, [4, 4, 4]), (10, [4, 4, 2]), (9, [4, 5])])
    def test_each_ghost_is_normalised_alone(self, examples: int, parts: list[int]) -> None:
        x = torch.randn(examples, 3, generator=torch.Generator().manual_seed(0))
        ghost = GhostBatchNorm(nn.BatchNorm1d(3), 4)
        plain = nn.BatchNorm1d(3)
        expected = torch.cat([plain(part) for part in x.split(parts)])
        torch.testing.assert_close(ghost(x), expected)

    def test_running_statistics_move_by_the_ghosts_mean(self) -> None:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
        ghost = GhostBatchNorm(nn.BatchNorm1d(3), 4)
        ghost(x)
        torch.testing.assert_close(ghost.running_mean, 0.1 * x.mean(0))
        variance = torch.stack([half.var(0) for half in x.split(4)]).mean(0)
        torch.testing.assert_close(ghost.running_var, 0.9 + 0.1 * variance)

    def test_a_small_batch_is_one_ghost_and_evaluation_uses_the_running_statistics(self) -> None:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
        ghost, plain = GhostBatchNorm(nn.BatchNorm1d(3), 32), nn.BatchNorm1d(3)
        torch.testing.assert_close(ghost(x), plain(x))
        torch.testing.assert_close(ghost.eval()(x), plain.eval()(x))
