"""The optimizers' update rules with a rate per lane, in place.

Each equals torch.optim on a lone cell. What changes from step to step (the rate, Adam's bias
corrections) comes as a table computed in float64 beforehand, so that a step reads no clock and
no Python number that a captured graph would freeze.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.engine.lanes import Tensors
from pipeline.params import Optimizer

BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
ADAGRAD_EPSILON = 1e-10
SLOTS = {"adagrad": ("squares",), "adam": ("mean", "squares"), "adamw": ("mean", "squares")}


def slots(optimizer: Optimizer) -> tuple[str, ...]:
    """The tensors of a parameter's shape that the rule remembers between steps."""
    if optimizer.name in SLOTS:
        return SLOTS[optimizer.name]
    return ("momentum",) if optimizer.momentum else ()


def initial_slots(optimizer: Optimizer, params: Tensors) -> dict[str, Tensors]:
    """Zeros for every slot and parameter."""
    return {
        slot: {name: torch.zeros_like(tensor) for name, tensor in params.items()}
        for slot in slots(optimizer)
    }


def table(optimizer: Optimizer, rates: Tensor, factors: Sequence[float], first_step: int) -> Tensor:
    """What each step needs, (steps, quantities, lanes) float32.

    Quantities: minus the step size; for Adam and AdamW then 1 / sqrt(1 - beta2^t) and the
    factor of decoupled weight decay. Adam's step size is rate / (1 - beta1^t)
    (Kingma & Ba 2015, algorithm 1, in the order of its section 2's last paragraph).
    """
    rows = []
    for step, factor in enumerate(factors, first_step):
        rate = rates * factor
        if optimizer.name in ("adam", "adamw"):
            root = torch.full_like(rate, 1 / math.sqrt(1 - BETAS[1] ** step))
            decay = 1 - rate * optimizer.weight_decay
            rows.append(torch.stack([-rate / (1 - BETAS[0] ** step), root, decay]))
        else:
            rows.append(-rate[None])
    return torch.stack(rows).float()


def update(
    optimizer: Optimizer,
    params: Tensors,
    gradients: Tensors,
    state: dict[str, Tensors],
    now: Tensor,
) -> None:
    """Change ``params`` and ``state`` in place by one step; ``now`` is a row of the table."""
    for name, param in params.items():
        own = {slot: tensors[name] for slot, tensors in state.items()}
        shape = (-1, *[1] * (param.ndim - 1))
        quantities = [quantity.view(shape) for quantity in now]
        _update_one(optimizer, param, gradients[name], own, quantities)


def _update_one(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, own: Tensors, now: list[Tensor]
) -> None:
    if optimizer.name == "adamw":
        if optimizer.weight_decay:
            param.mul_(now[2])
    elif optimizer.weight_decay:
        gradient = gradient.add(param, alpha=optimizer.weight_decay)
    if optimizer.name in ("sgd", "nesterov"):
        param.addcmul_(_momentum(optimizer, gradient, own), now[0])
    elif optimizer.name == "adagrad":
        squares = own["squares"].addcmul_(gradient, gradient)
        param.addcmul_(gradient / squares.sqrt().add_(ADAGRAD_EPSILON), now[0])
    else:
        mean = own["mean"].lerp_(gradient, 1 - BETAS[0])
        squares = own["squares"].mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        param.addcmul_(mean / squares.sqrt().mul_(now[1]).add_(ADAM_EPSILON), now[0])


def _momentum(optimizer: Optimizer, gradient: Tensor, own: Tensors) -> Tensor:
    if not optimizer.momentum:
        return gradient
    velocity = own["momentum"].mul_(optimizer.momentum).add_(gradient)
    if optimizer.name == "nesterov":
        return gradient.add(velocity, alpha=optimizer.momentum)
    return velocity
