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
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = statistics(x)
            self._track(mean.detach(), variance.detach(), x.numel() // x.shape[1])
        return self._normed(x, mean, variance)

    def _normed(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (x.ndim - 2))
        normed = (x - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is None:
            return normed
        return normed * self.weight.view(shape) + self.bias.view(shape)

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        unbiased = variance * (count / max(1, count - 1))
        self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
        self.running_var.mul_(1 - self.momentum).add_(unbiased, alpha=self.momentum)
        self.num_batches_tracked.add_(1)


class GhostBatchNorm(ElementaryBatchNorm):
    """Batch norm over ghost batches of ``ghost_size`` consecutive examples (Hoffer et al. 2017,
    section 4): a large batch is normalised as small ones are.

    What is left over is a smaller ghost batch, or joins the last one where it is one example. The
    running statistics move once a step, by the mean of the ghost batches' own.
    """

    def __init__(self, source: _BatchNorm, ghost_size: int) -> None:
        super().__init__(source)
        self.ghost_size = ghost_size

    def forward(self, x: Tensor) -> Tensor:
        """As the parent's; every ghost batch by its own statistics in training mode."""
        if not self.training:
            return super().forward(x)
        ghosts = list(x.split(self.ghost_size))
        if len(ghosts) > 1 and len(ghosts[-1]) == 1:
            ghosts[-2:] = [torch.cat(ghosts[-2:])]
        found = [statistics(ghost) for ghost in ghosts]
        mean, variance = (torch.stack(own).mean(0).detach() for own in zip(*found, strict=True))
        self._track(mean, variance, ghosts[0].numel() // x.shape[1])
        normed = [self._normed(g, *own) for g, own in zip(ghosts, found, strict=True)]
        return torch.cat(normed)


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over all dimensions but the second, both (channels,)."""
    over = [0, *range(2, x.ndim)]
    mean = x.mean(over)
    return mean, (x - mean.view(1, -1, *[1] * (x.ndim - 2))).square().mean(over)


def elementary(model: nn.Module) -> nn.Module:
    """Put ElementaryBatchNorm in every batch norm's place; the names of all tensors stay.

    A batch norm without running statistics, or with cumulative ones, stays as it is.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and child.track_running_stats and child.momentum:
                setattr(parent, name, ElementaryBatchNorm(child))
    return model
