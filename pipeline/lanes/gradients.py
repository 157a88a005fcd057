"""The gradients of all lanes as one flat graph of tensor operations.

``torch.func`` batches the loss of one lane over lanes; what that and its gradient do is recorded,
so that no Python of torch.func, autograd or the model runs in a step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx import GraphModule

from pipeline.lanes.lanes import Gradient, Lanes, Tensors
from pipeline.lanes.passes import clean, split_products
from pipeline.lanes.recording import recorded
from pipeline.models.dropout import step_key
from pipeline.training.losses import elementary_loss


@dataclass(frozen=True)
class Batch:
    """One step's examples of every lane, and the step's number for the dropout keys.

    x: (lanes, batch, ...); y: (lanes, batch, outputs), one-hot for classification, or the next
    tokens (lanes, batch, context); step: int64.
    """

    x: Tensor
    y: Tensor
    step: Tensor


Gradients = Callable[[Lanes, Batch], tuple[dict[str, Gradient], Tensor, Tensors]]
"""Lanes and a batch to (gradients by parameter, mean losses (lanes,), new buffers by name)."""


def lane_loss(model: nn.Module, task: str) -> Callable[..., tuple[Tensor, Tensors]]:
    """The loss of one lane as a function of its tensors, with its new buffers."""

    def loss(
        params: Tensors, buffers: Tensors, dropout: Tensors, x: Tensor, y: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensors]:
        moved = {name: buffer.clone() for name, buffer in buffers.items()}
        keys = {name: step_key(base, step) for name, base in dropout.items()}
        outputs = functional_call(model, {**params, **moved, **keys}, (x,))
        return elementary_loss(outputs, y, task), moved

    return loss


def batched(lanes: Lanes, task: str) -> Callable[..., tuple[Tensors, Tensor, Tensors]]:
    """The gradient of ``lane_loss`` of every lane, on flat argument lists.

    The losses' sum is differentiated: a lane's weights change no other lane's loss. (torch.func's
    own gradient would import torch's compiler.)
    """
    lanes.model.train()
    losses_of = vmap(lane_loss(lanes.model, task), in_dims=(0, 0, 0, 0, 0, None))

    def gradients(*tensors: Tensor) -> tuple[Tensors, Tensor, Tensors]:
        groups, rest = [], list(tensors)
        for group in (lanes.params, lanes.buffers, lanes.dropout):
            groups.append(dict(zip(group, rest[: len(group)], strict=True)))
            rest = rest[len(group) :]
        params = {name: tensor.detach().requires_grad_() for name, tensor in groups[0].items()}
        with torch.enable_grad():
            losses, buffers = losses_of(params, *groups[1:], *rest)
            leaves = list(params.values())
            slopes = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)
        detached = {name: buffer.detach() for name, buffer in buffers.items()}
        return dict(zip(params, slopes, strict=True)), losses.detach(), detached

    return gradients


def flat(lanes: Lanes, batch: Batch) -> list[Tensor]:
    """The arguments of the traced graph."""
    groups = (lanes.params, lanes.buffers, lanes.dropout)
    return [*(t for group in groups for t in group.values()), batch.x, batch.y, batch.step]


def trace(lanes: Lanes, batch: Batch, task: str) -> GraphModule:
    """Record the gradients of these lanes for batches of this shape, and clean the graph.

    Raises whatever torch.func raises for a model that it cannot batch.
    """

    def values(*tensors: Tensor) -> list[Tensor]:
        by_parameter, losses, buffers = batched(lanes, task)(*tensors)
        return [losses, *by_parameter.values(), *buffers.values()]

    graph = clean(recorded(values, flat(lanes, batch)))
    return split_products(graph, range(1, 1 + len(lanes.params)))


def traced(graph: Callable[..., list[Any]]) -> Gradients:
    """Call a recorded graph with lanes and a batch."""

    def gradients(lanes: Lanes, batch: Batch) -> tuple[dict[str, Gradient], Tensor, Tensors]:
        losses, *rest = graph(*flat(lanes, batch))
        by_parameter = dict(zip(lanes.params, rest, strict=False))
        buffers = dict(zip(lanes.buffers, rest[len(by_parameter) :], strict=True))
        return by_parameter, losses, buffers

    return gradients


def why_not_lanes(lanes: Lanes, batch: Batch, task: str) -> str | None:
    """The reason why a model cannot be batched over lanes, or None."""
    try:
        trace(lanes, batch, task)
    except Exception as error:  # a user's model may fail in any way
        text = str(error).strip().splitlines()
        return f"{type(error).__name__}: {text[0] if text else 'no message'}"
    return None
