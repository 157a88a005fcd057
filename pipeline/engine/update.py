"""The optimizers' update rules with a rate per lane, in place.

Each equals torch.optim on a lone cell. What changes from step to step (the rate, Adam's bias
corrections) comes as a table computed in float64 beforehand, so that a step reads no clock and
no Python number that a captured graph would freeze.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pipeline.engine.lanes import Gradient, Tensors, dense
from pipeline.params import Optimizer

BETA1 = 0.9
ADAM_EPSILON = 1e-8
ADAGRAD_EPSILON = 1e-10
LAMB_EPSILON = 1e-6
LARS_TRUST = 0.001
MOMENTS = ("mean", "squares")
SLOTS = {"adagrad": ("squares",), "adam": MOMENTS, "adamw": MOMENTS, "lamb": MOMENTS}


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
    (Kingma & Ba 2015, algorithm 1, in the order of its section 2's last paragraph). LAMB's
    is the rate, and the third is 1 / (1 - beta1^t).
    """
    rows = []
    for step, factor in enumerate(factors, first_step):
        rate = rates * factor
        if optimizer.name in ("adam", "adamw"):
            root = torch.full_like(rate, 1 / math.sqrt(1 - optimizer.beta2**step))
            decay = 1 - rate * optimizer.weight_decay
            rows.append(torch.stack([-rate / (1 - BETA1**step), root, decay]))
        elif optimizer.name == "lamb":
            root = torch.full_like(rate, 1 / math.sqrt(1 - optimizer.beta2**step))
            rows.append(torch.stack([-rate, root, torch.full_like(rate, 1 / (1 - BETA1**step))]))
        else:
            rows.append(-rate[None])
    return torch.stack(rows).float()


def update(
    optimizer: Optimizer,
    params: Tensors,
    gradients: Mapping[str, Gradient],
    state: dict[str, Tensors],
    now: Tensor,
) -> None:
    """Change ``params`` and ``state`` in place by one step; ``now`` is a row of the table."""
    shapes = {param.ndim for param in params.values()}
    by_ndim = {n: [quantity.view(-1, *[1] * (n - 1)) for quantity in now] for n in shapes}
    for name, param in params.items():
        own = {slot: tensors[name] for slot, tensors in state.items()}
        quantities = by_ndim[param.ndim]
        if not _update_by_product(optimizer, param, gradients[name], own, quantities):
            _update_one(optimizer, param, dense(gradients[name]), own, quantities)


def _update_by_product(
    optimizer: Optimizer, param: Tensor, gradient: Gradient, own: Tensors, now: list[Tensor]
) -> bool:
    """Add a gradient that is a product where it belongs, without ever writing it out.

    At small batch sizes a step goes at the pace of memory, and this spares two of its passes
    over the weights. True if the rule allows it.
    """
    if not isinstance(gradient, tuple) or optimizer.name != "sgd" or optimizer.weight_decay:
        return False
    left, right = gradient
    if left.numel() > param.numel():  # a batch so large that the factors are more than the weights
        return False
    if optimizer.momentum:
        velocity = own["momentum"].baddbmm_(left, right, beta=optimizer.momentum)
        param.addcmul_(velocity, now[0])
    else:
        param.baddbmm_(left * now[0], right)
    return True


def _update_one(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, own: Tensors, now: list[Tensor]
) -> None:
    if optimizer.name == "lars":
        return _lars(optimizer, param, gradient, own, now)
    if optimizer.name == "lamb":
        return _lamb(optimizer, param, gradient, own, now)
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
        param.addcmul_(_adam(optimizer, gradient, own, now[1], ADAM_EPSILON), now[0])
    return None


def _lars(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, own: Tensors, now: list[Tensor]
) -> None:
    """You, Gitman & Ginsburg 2017, algorithm 1: the rate goes into the momentum."""
    length, steepness = norms(param), norms(gradient)
    trust = LARS_TRUST * length / (steepness + optimizer.weight_decay * length)
    trust = torch.where((length > 0) & (steepness > 0), trust, 1.0)
    move = gradient.add(param, alpha=optimizer.weight_decay) * (trust * now[0])
    if optimizer.momentum:
        move = own["momentum"].mul_(optimizer.momentum).add_(move)
    param.add_(move)


def _lamb(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, own: Tensors, now: list[Tensor]
) -> None:
    """You et al. 2020, algorithm 2, with the identity for phi."""
    direction = _adam(optimizer, gradient, own, now[1], LAMB_EPSILON) * now[2]
    direction = direction.add(param, alpha=optimizer.weight_decay)
    length, reach = norms(param), norms(direction)
    trust = torch.where((length > 0) & (reach > 0), length / reach, 1.0)
    param.addcmul_(direction, trust * now[0])


def _adam(
    optimizer: Optimizer, gradient: Tensor, own: Tensors, root: Tensor, epsilon: float
) -> Tensor:
    """The mean gradient over the root of the mean square (Kingma & Ba 2015, algorithm 1); ``root``
    undoes the latter's bias."""
    mean, beta2 = own["mean"].lerp_(gradient, 1 - BETA1), optimizer.beta2
    squares = own["squares"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    return mean / squares.sqrt().mul_(root).add_(epsilon)


def norms(tensor: Tensor) -> Tensor:
    """Each lane's Euclidean norm, in a shape that multiplies the lanes."""
    length = torch.linalg.vector_norm(tensor.flatten(1), dim=1)
    return length.view(-1, *[1] * (tensor.ndim - 1))


def _momentum(optimizer: Optimizer, gradient: Tensor, own: Tensors) -> Tensor:
    if not optimizer.momentum:
        return gradient
    velocity = own["momentum"].mul_(optimizer.momentum).add_(gradient)
    if optimizer.name == "nesterov":
        return gradient.add(velocity, alpha=optimizer.momentum)
    return velocity
