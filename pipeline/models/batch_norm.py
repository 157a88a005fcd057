"""Batch norm from elementary operations, so that lanes cannot reach each other's bits.

torch's own kernel, batched over lanes, treats lanes as more channels, and its sums then depend
on how many there are.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class ElementaryBatchNorm(nn.Module):
    """The same function, parameters and buffers as the module it stands for.

    Statistics over all dimensions but the second (Ioffe & Szegedy 2015, algorithm 1); the
    running variance is the unbiased one, as in torch.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, source: _BatchNorm) -> None:
        super().__init__()
        self.eps, self.momentum = source.eps, source.momentum or 0.0
        self.weight, self.bias = source.weight, source.bias
        for name, buffer in source.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, ...); batch statistics in training mode, running ones otherwise."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        mean, variance = self.running_mean, self.running_var
        if self.training:
            over = [0, *range(2, x.ndim)]
            mean = x.mean(over)
            variance = (x - mean.view(shape)).square().mean(over)
            self._track(mean.detach(), variance.detach(), x.numel() // x.shape[1])
        normed = (x - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is None:
            return normed
        return normed * self.weight.view(shape) + self.bias.view(shape)

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        unbiased = variance * (count / max(1, count - 1))
        self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
        self.running_var.mul_(1 - self.momentum).add_(unbiased, alpha=self.momentum)
        self.num_batches_tracked.add_(1)


def elementary(model: nn.Module) -> nn.Module:
    """Put ElementaryBatchNorm in every batch norm's place; the names of all tensors stay.

    A batch norm without running statistics, or with cumulative ones, stays as it is.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and child.track_running_stats and child.momentum:
                setattr(parent, name, ElementaryBatchNorm(child))
    return model
