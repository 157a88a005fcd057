"""From the ``model`` section to a network."""

import math

from torch import nn

from pipeline.models.mlp import mlp
from pipeline.params import Model


def build(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The network for inputs of ``shape`` (without the batch), initialised by torch's defaults.

    Draws from torch's global generator: fork and seed it around the call.
    """
    inputs = math.prod(shape)
    if model.name == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))
    return mlp(model, inputs, outputs)
