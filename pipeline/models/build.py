"""From the ``model`` section to a network."""

import importlib
import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import InputError, require
from pipeline.models.batch_norm import ElementaryBatchNorm
from pipeline.models.images import cifar_resnet, cnn, resnet
from pipeline.models.mlp import mlp
from pipeline.models.precision import MixedPrecision
from pipeline.models.transformer import Attention, Transformer, transformer, written_out
from pipeline.params.network import Model, is_factory

Shape = tuple[int, ...]


def linear(_: Model, shape: Shape, outputs: int) -> nn.Module:
    """One layer without activation."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), outputs))


NETWORKS: dict[str, Callable[[Model, Shape, int], nn.Module]] = {
    "linear": linear,
    "mlp": lambda model, shape, outputs: mlp(model, math.prod(shape), outputs),
    "cnn": cnn,
    "resnet": resnet,
    "cifar_resnet": cifar_resnet,
    "transformer": transformer,
}
"""The project's own networks, by ``model.name``."""


def build(model: Model, shape: Shape, outputs: int) -> nn.Module:
    """The network for inputs of ``shape`` (without the batch), initialised by torch's defaults.

    Draws from torch's global generator: fork and seed it around the call.
    """
    maker = from_factory if is_factory(model.name) else NETWORKS[model.name]
    network = maker(model, shape, outputs)
    return MixedPrecision(network) if model.precision == "bfloat16" else network


def from_factory(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A user's network: ``module.path:function``, called with the input's shape, the number of
    outputs and the keys of ``model.options``.

    Raises InputError when there is no such module or function, when it does not take these keys,
    or returns no network that fits.
    """
    module, function = model.name.split(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, SyntaxError) as error:
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
    check(model.name, made, shape, outputs)
    return made


def check(name: str, made: nn.Module, shape: tuple[int, ...], outputs: int) -> None:
    """Refuse a network that maps two inputs neither to two rows of outputs nor, if they are windows
    of tokens, to outputs for every token; and one that has nothing to train. One for tokens gets
    them as int64 from then on.
    """
    was_training = made.training
    inputs, asked = torch.zeros(2, *shape), torch.Size((2, outputs))
    answer = tried(made, inputs)
    if len(shape) == 1 and (isinstance(answer, Exception) or is_of_tokens(answer, inputs)):
        of_tokens = tried(made, inputs.long())
        if is_of_tokens(of_tokens, inputs):
            made.register_forward_pre_hook(as_tokens)
            answer, asked = of_tokens, torch.Size((2, *shape, outputs))
    if isinstance(answer, Exception):
        raise InputError(f"model.name: {name!r} fails on inputs of {shape}: {answer}") from None
    made.train(was_training)
    wanted = f"asked for are {tuple(asked)} in float32"
    if not isinstance(answer, Tensor):
        kind = type(answer).__name__
        raise InputError(f"model.name: {name!r} maps two inputs to {kind}; {wanted}")
    if answer.shape != asked or answer.dtype != torch.float32:
        got = f"{tuple(answer.shape)} in {str(answer.dtype).removeprefix('torch.')}"
        raise InputError(f"model.name: {name!r} maps two inputs to {got}; {wanted}")
    if not any(parameter.requires_grad for parameter in made.parameters()):
        raise InputError(f"model.name: {name!r} has no parameter to train")


def tried(made: nn.Module, inputs: Tensor) -> object:
    """What a user's network makes of inputs, or the exception that it raises."""
    try:
        with torch.no_grad():
            return made.eval()(inputs)
    except Exception as error:  # whatever the user's own code raises
        return error


def is_of_tokens(answer: object, inputs: Tensor) -> bool:
    """Whether a network made something of every token."""
    return isinstance(answer, Tensor) and answer.shape[:-1] == inputs.shape


def as_tokens(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Tokens of any whole-number type as embeddings take them."""
    return (inputs[0].long(),)


def matrices(model: nn.Module) -> frozenset[str]:
    """The names of the hidden matrices, which Muon is for: weights of linear layers, without the
    last one of a network, which makes its outputs.

    Raises InputError where there is none.
    """
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    modules = list(model.modules())
    has_head = not any(isinstance(part, Transformer) and part.head is None for part in modules)
    names = frozenset(f"{name}.weight" for name in (linear[:-1] if has_head else linear))
    rule = "is for hidden matrices, and the network has none"
    require(len(names) > 0, "optimizer.name", "muon", rule)
    return names


def elementary(model: nn.Module) -> nn.Module:
    """Put ElementaryBatchNorm in every batch norm's place, and let attention be written out; the
    names of all tensors stay. It is what lanes need.

    A batch norm without running statistics, or with cumulative ones, stays as it is.
    """
    for parent in list(model.modules()):
        if isinstance(parent, Attention):
            parent.attend = written_out
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and child.track_running_stats and child.momentum:
                setattr(parent, name, ElementaryBatchNorm(child))
    return model
