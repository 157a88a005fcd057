"""The same function at other weights: what a measure of sharpness should not see.

A ReLU network's hidden layer may be multiplied and the next one divided by the same factor
(Dinh et al. 2017, section 3): every output stays, the Hessian does not.
"""

from dataclasses import replace
from itertools import pairwise

from torch import nn

from pipeline.models.dropout import Dropout
from pipeline.models.precision import MixedPrecision
from pipeline.solutions.surface import Solutions

FACTOR = 4.0
"""A power of two: the outputs stay the same to the bit."""
HOMOGENEOUS = (nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Identity, Dropout)
"""f(c x) = c f(x) for c > 0."""


def rescaled(solutions: Solutions) -> Solutions | None:
    """Every other hidden layer times FACTOR, the layer after it divided by it.

    None where no two layers stand with only ReLU, pooling and flattening between them.
    """
    params = dict(solutions.params)
    pairs = neighbours(solutions.model)
    for first, second in pairs[::2]:
        for name in (f"{first}.weight", f"{first}.bias"):
            if name in params:
                params[name] = params[name] * FACTOR
        params[f"{second}.weight"] = params[f"{second}.weight"] / FACTOR
    return replace(solutions, params=params) if pairs else None


def neighbours(model: nn.Module) -> list[tuple[str, str]]:
    """The names of consecutive layers of a sequential network with nothing between them that
    notices a factor."""
    prefix = ""
    if isinstance(model, MixedPrecision):
        model, prefix = model.network, f"{MixedPrecision.NAME}."
    if not isinstance(model, nn.Sequential):
        return []
    layers = [(f"{prefix}{name}", module) for name, module in model.named_children()]
    seen = [(name, module) for name, module in layers if not isinstance(module, HOMOGENEOUS)]
    return [
        (first, second)
        for (first, one), (second, other) in pairwise(seen)
        if is_linear(one) and is_linear(other)
    ]


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a layer of weights and nothing else."""
    return isinstance(module, nn.Linear | nn.Conv2d)
