"""From the ``model`` section to a network."""

import importlib
import math

from torch import nn

from pipeline.errors import InputError
from pipeline.models.images import cnn, resnet
from pipeline.models.mlp import mlp
from pipeline.params import Model, is_factory


def build(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The network for inputs of ``shape`` (without the batch), initialised by torch's defaults.

    Draws from torch's global generator: fork and seed it around the call.
    """
    if is_factory(model.name):
        return own(model.name, shape, outputs)
    if model.name == "cnn":
        return cnn(model, shape, outputs)
    if model.name == "resnet":
        return resnet(model, shape, outputs)
    inputs = math.prod(shape)
    if model.name == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))
    return mlp(model, inputs, outputs)


def own(name: str, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A user's network: ``module.path:function``, called with the input shape and outputs.

    Raises InputError when there is no such module or function, or it returns something else.
    """
    module, function = name.split(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"model.name: {name!r} cannot be imported: {error}") from None
    made = factory(shape, outputs)
    if not isinstance(made, nn.Module):
        raise InputError(f"model.name: {name!r} returned {type(made).__name__}, no torch.nn.Module")
    return made
