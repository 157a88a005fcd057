"""Loss and score along straight lines through weight space."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.models.batch_norm import ElementaryBatchNorm
from pipeline.solutions.sharpness import gaussian
from pipeline.solutions.surface import Solutions
from pipeline.training.dataset import Part

LINE = np.linspace(-1, 2, 25)
"""Keskar et al. 2017, figure 2: 0 is the first solution, 1 the second."""
SLICE = np.linspace(-1, 1, 25)


def between(first: Solutions, second: Solutions) -> Solutions:
    """The points LINE on the straight line through two solutions (one each)."""
    start, end = first.flat(), second.flat()
    at = torch.tensor(LINE, dtype=start.dtype, device=start.device)[:, None]
    return repeated(first, len(LINE)).moved(start + at * (end - start))


def around(solutions: Solutions, base_seed: int, seed: int) -> Solutions:
    """The points SLICE along one random direction from a solution.

    Filter-normalised (Li et al. 2018, section 4): each filter of the direction is as long as the
    solution's own, biases and the parameters of norm layers do not move.
    """
    direction = solutions.unflat(gaussian(solutions.flat(), 1, "slice", base_seed, seed))
    scaled = {
        name: as_long_as(direction[name], solutions.params[name]) for name in solutions.params
    }
    step = replace(solutions, params=scaled).flat()
    at = torch.tensor(SLICE, dtype=step.dtype, device=step.device)[:, None]
    return repeated(solutions, len(SLICE)).moved(solutions.flat() + at * step)


def as_long_as(direction: Tensor, weights: Tensor) -> Tensor:
    """A direction (1, filters, ...) with each filter's length; zero for (1, n), a bias or norm."""
    if weights.ndim <= 2:
        return torch.zeros_like(weights)
    over = tuple(range(2, weights.ndim))
    lengths = weights.square().sum(over, keepdim=True).sqrt()
    return direction * lengths / direction.square().sum(over, keepdim=True).sqrt()


def repeated(solutions: Solutions, count: int) -> Solutions:
    """A single solution, repeated ``count`` times."""
    return solutions.take(torch.zeros(count, dtype=torch.int64))


def with_statistics(solutions: Solutions, part: Part) -> Solutions:
    """The same parameters with batch norm's running statistics taken from a part at once.

    Statistics of two solutions mean nothing halfway between them. Without batch norm, as it was.
    """
    model = copy.deepcopy(solutions.model).eval()
    norms = [m for m in model.modules() if isinstance(m, ElementaryBatchNorm | _BatchNorm)]
    if not norms:
        return solutions
    for module in norms:
        module.train()
        module.momentum = 1.0

    def statistics(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> dict[str, Tensor]:
        moved = {name: buffer.clone() for name, buffer in buffers.items()}
        functional_call(model, {**params, **moved}, (part.x,))
        return moved

    with torch.no_grad():
        return replace(
            solutions, buffers=solutions.each(statistics, solutions.params, solutions.buffers)
        )
