"""From the ``model`` section to a network."""

import importlib
import inspect
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
        return own(model, shape, outputs)
    if model.name == "cnn":
        return cnn(model, shape, outputs)
    if model.name == "resnet":
        return resnet(model, shape, outputs)
    inputs = math.prod(shape)
    if model.name == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))
    return mlp(model, inputs, outputs)


def own(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A user's network: ``module.path:function``, called with the input's shape, the number of
    outputs and the keys of ``model.options``.

    Raises InputError when there is no such module or function, when it does not take these keys,
    or returns something else.
    """
    module, function = model.name.split(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"model.name: {model.name!r} cannot be imported: {error}") from None
    try:
        inspect.signature(factory).bind(shape, outputs, **model.options)
    except TypeError as error:
        rule = f"are not what {model.name} takes: {error}"
        raise InputError(f"model.options: {dict(model.options)!r} {rule}") from None
    made = factory(shape, outputs, **model.options)
    if not isinstance(made, nn.Module):
        kind = type(made).__name__
        raise InputError(f"model.name: {model.name!r} returned {kind}, no torch.nn.Module")
    return made
