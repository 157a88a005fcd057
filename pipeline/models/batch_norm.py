"""Batch norm from elementary operations, so that lanes cannot reach each other's bits.

torch's own kernel, batched over lanes, treats lanes as more channels, and its sums then depend
on how many there are.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def has_batch_norm(model: nn.Module) -> bool:
    """Whether torch's own batch norm, which makes the examples of a batch depend on each other, is
    part of the model."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


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
        by_size = self._ghosts(x)
        moments = [torch.vmap(statistics)(ghosts) for ghosts in by_size]
        mean, variance = (torch.cat(each).mean(0).detach() for each in zip(*moments, strict=True))
        self._track(mean, variance, by_size[0][0].numel() // x.shape[1])
        normed = (
            torch.vmap(self._normed)(ghosts, *mean_and_variance)
            for ghosts, mean_and_variance in zip(by_size, moments, strict=True)
        )
        return torch.cat([ghosts.flatten(0, 1) for ghosts in normed])

    def _ghosts(self, x: Tensor) -> list[Tensor]:
        """The ghost batches, (ghosts, examples, channels, ...): equal ones together, then the one
        that is left over."""
        whole = len(x) // self.ghost_size * self.ghost_size
        if len(x) - whole == 1 and whole:
            whole -= self.ghost_size
        equal = x[:whole].unflatten(0, (-1, self.ghost_size)) if whole else x[None]
        return [equal, x[whole:][None]] if 0 < whole < len(x) else [equal]


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over all dimensions but the second, both (channels,)."""
    over = [0, *range(2, x.ndim)]
    mean = x.mean(over)
    return mean, (x - mean.view(1, -1, *[1] * (x.ndim - 2))).square().mean(over)
