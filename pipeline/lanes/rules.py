"""The optimizers' update rules with a rate for each lane, in place.

Each equals torch.optim on a lone cell. What changes from step to step (the rate, Adam's bias
corrections) comes as a table computed in float64 beforehand, so that a step reads no clock and
no Python number that a captured graph would freeze.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.lanes.lanes import Gradient, Tensors, dense
from pipeline.params.optimizer import Optimizer

ADAGRAD_EPSILON = 1e-10
LAMB_EPSILON = 1e-6
LARS_TRUST = 0.001
MUON_RMS = 0.2
MUON_TINY = 1e-7
MUON_ITERATIONS = 5
MUON_LINEAR, MUON_CUBIC, MUON_QUINTIC = 3.4445, -4.7750, 2.0315
AVERAGE = "average"
"""The slot of the averaged weights, of any optimizer."""
NEWEST = "newest"
"""The slot of the weights that go into an average which is trained itself."""


@dataclass(frozen=True)
class Rule:
    """How one optimizer changes the parameters.

    slots: the tensors of a parameter's shape that it remembers between steps.
    quantities: what a step needs of the rates (lanes,) at a step number from 1, (quantities,
    lanes); the first is minus the step size.
    step: changes a parameter and its slots in place, by its gradient and the step's quantities,
    each in a shape that multiplies the lanes.
    matrix_step: the same for hidden matrices, where they are changed otherwise.
    step_by_product: the same for a gradient that is a product of two factors and need not be
    written out; False, and nothing done, where the rule does not allow it.
    """

    slots: Callable[[Optimizer], tuple[str, ...]]
    quantities: Callable[[Optimizer, Tensor, int], Tensor]
    step: Callable[[Optimizer, Tensor, Tensor, Tensors, list[Tensor]], None]
    matrix_step: Callable[[Optimizer, Tensor, Tensor, Tensors, list[Tensor]], None] | None = None
    step_by_product: (
        Callable[[Optimizer, Tensor, tuple[Tensor, Tensor], Tensors, list[Tensor]], bool] | None
    ) = None


def velocity_slot(optimizer: Optimizer) -> tuple[str, ...]:
    """The velocity, where there is momentum."""
    return ("momentum",) if optimizer.momentum else ()


def squares_slot(_: Optimizer) -> tuple[str, ...]:
    """The sum of squared gradients."""
    return ("squares",)


def squares_and_newest_slots(_: Optimizer) -> tuple[str, ...]:
    """The mean of squared gradients, and the newest weights of which others are an average."""
    return ("squares", NEWEST)


def squares_and_velocity_slots(optimizer: Optimizer) -> tuple[str, ...]:
    """The mean of squared gradients, and the velocity where there is momentum."""
    return ("squares", *velocity_slot(optimizer))


def mean_slot(_: Optimizer) -> tuple[str, ...]:
    """The running mean of the gradients."""
    return ("mean",)


def moment_slots(_: Optimizer) -> tuple[str, ...]:
    """The running means of the gradients and of their squares."""
    return ("mean", "squares")


def rate_alone(_: Optimizer, rates: Tensor, __: int) -> Tensor:
    """Minus the rate."""
    return -rates[None]


def adam_quantities(optimizer: Optimizer, rates: Tensor, step: int) -> Tensor:
    """Minus rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), and the factor of decoupled decay.

    Kingma & Ba 2015, algorithm 1, in the order of its section 2's last paragraph.
    """
    root = torch.full_like(rates, 1 / math.sqrt(1 - optimizer.beta2**step))
    decay = 1 - rates * optimizer.weight_decay
    return torch.stack([-rates / (1 - optimizer.beta1**step), root, decay])


def schedule_free_quantities(optimizer: Optimizer, rates: Tensor, step: int) -> Tensor:
    """Minus the rate, and 1 / sqrt(1 - beta2^t)."""
    root = torch.full_like(rates, 1 / math.sqrt(1 - optimizer.beta2**step))
    return torch.stack([-rates, root])


def muon_quantities(optimizer: Optimizer, rates: Tensor, step: int) -> Tensor:
    """Those of AdamW, and minus the rate."""
    return torch.cat([adam_quantities(optimizer, rates, step), -rates[None]])


def lion_quantities(optimizer: Optimizer, rates: Tensor, _: int) -> Tensor:
    """Minus the rate, and the factor of decoupled decay."""
    return torch.stack([-rates, 1 - rates * optimizer.weight_decay])


def lamb_quantities(optimizer: Optimizer, rates: Tensor, step: int) -> Tensor:
    """Minus the rate, 1 / sqrt(1 - beta2^t), 1 / (1 - beta1^t)."""
    root = torch.full_like(rates, 1 / math.sqrt(1 - optimizer.beta2**step))
    return torch.stack([-rates, root, torch.full_like(rates, 1 / (1 - optimizer.beta1**step))])


def decayed(optimizer: Optimizer, param: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of the loss with the penalty weight_decay / 2 |w|^2."""
    if not optimizer.weight_decay:
        return gradient
    return gradient.add(param, alpha=optimizer.weight_decay)


def sgd(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Gradient descent, with momentum where the optimizer has some."""
    move = decayed(optimizer, param, gradient)
    if optimizer.momentum:
        move = slots["momentum"].mul_(optimizer.momentum).add_(move)
    param.addcmul_(move, now[0])


def sgd_by_product(
    optimizer: Optimizer, param: Tensor, factors: tuple[Tensor, Tensor], slots: Tensors,
    now: list[Tensor],
) -> bool:  # fmt: skip
    """At small batch sizes a step goes at the pace of memory, and this spares two of its passes
    over the weights."""
    left, right = factors
    # a batch may be so large that the factors are more than the weights
    if optimizer.weight_decay or left.numel() > param.numel():
        return False
    if optimizer.momentum:
        velocity = slots["momentum"].baddbmm_(left, right, beta=optimizer.momentum)
        param.addcmul_(velocity, now[0])
    else:
        param.baddbmm_(left * now[0], right)
    return True


def nesterov(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Nesterov's momentum as torch.optim has it (Sutskever et al. 2013, section 2)."""
    gradient = decayed(optimizer, param, gradient)
    velocity = slots["momentum"].mul_(optimizer.momentum).add_(gradient)
    param.addcmul_(gradient.add(velocity, alpha=optimizer.momentum), now[0])


def adagrad(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Duchi et al. 2011, the diagonal form."""
    gradient = decayed(optimizer, param, gradient)
    squares = slots["squares"].addcmul_(gradient, gradient)
    param.addcmul_(gradient / squares.sqrt().add_(ADAGRAD_EPSILON), now[0])


def rmsprop(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Tieleman & Hinton 2012 as torch.optim has it, with momentum where the optimizer has some."""
    gradient, beta2 = decayed(optimizer, param, gradient), optimizer.beta2
    squares = slots["squares"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    move = gradient / squares.sqrt().add_(optimizer.epsilon)
    if optimizer.momentum:
        move = slots["momentum"].mul_(optimizer.momentum).add_(move)
    param.addcmul_(move, now[0])


def adam(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Kingma & Ba 2015, algorithm 1."""
    gradient = decayed(optimizer, param, gradient)
    param.addcmul_(adam_direction(optimizer, gradient, slots, now[1], optimizer.epsilon), now[0])


def adamw(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2)."""
    if optimizer.weight_decay:
        param.mul_(now[2])
    param.addcmul_(adam_direction(optimizer, gradient, slots, now[1], optimizer.epsilon), now[0])


def schedule_free(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Defazio et al. 2024, algorithm 1: gradients are of weights between the newest ones and their
    average."""
    newest, average = slots[NEWEST], slots[AVERAGE]
    squares = slots["squares"].mul_(optimizer.beta2)
    squares.addcmul_(gradient, gradient, value=1 - optimizer.beta2)
    direction = gradient / squares.sqrt().mul_(now[1]).add_(optimizer.epsilon)
    newest.addcmul_(direction.add_(param, alpha=optimizer.weight_decay), now[0])
    average.lerp_(newest, now[-1])
    param.copy_(newest.lerp(average, optimizer.beta1))


def lion(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Chen et al. 2023, algorithm 2."""
    mean = slots["mean"]
    direction = mean.mul(optimizer.beta1).add_(gradient, alpha=1 - optimizer.beta1).sign_()
    if optimizer.weight_decay:
        param.mul_(now[1])
    param.addcmul_(direction, now[0])
    mean.mul_(optimizer.beta2).add_(gradient, alpha=1 - optimizer.beta2)


def muon(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """Jordan et al. 2024, with steps as long as AdamW's (Liu et al. 2025, equation 4)."""
    mean, momentum = slots["mean"], optimizer.momentum
    mean.mul_(momentum).add_(gradient, alpha=1 - momentum)
    direction = orthogonalised(mean.mul(momentum).add_(gradient, alpha=1 - momentum))
    if optimizer.weight_decay:
        param.mul_(now[2])
    param.addcmul_(direction, now[3] * (MUON_RMS * math.sqrt(max(param.shape[1:]))))


def orthogonalised(matrices: Tensor) -> Tensor:
    """Nearly U V' of each lane's matrix U S V', (lanes, rows, columns), by Newton and Schulz's
    iteration (Jordan et al. 2024)."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / norms(matrices).clamp(min=MUON_TINY)
    for _ in range(MUON_ITERATIONS):
        gram = torch.bmm(x, x.mT)
        quintic = torch.baddbmm(gram, gram, gram, beta=MUON_CUBIC, alpha=MUON_QUINTIC)
        x = torch.baddbmm(x, quintic, x, beta=MUON_LINEAR)
    return x.mT if is_tall else x


def lars(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """You, Gitman & Ginsburg 2017, algorithm 1: the rate goes into the momentum."""
    length, steepness = norms(param), norms(gradient)
    trust = LARS_TRUST * length / (steepness + optimizer.weight_decay * length)
    trust = torch.where((length > 0) & (steepness > 0), trust, 1.0)
    move = gradient.add(param, alpha=optimizer.weight_decay) * (trust * now[0])
    if optimizer.momentum:
        move = slots["momentum"].mul_(optimizer.momentum).add_(move)
    param.add_(move)


def lamb(
    optimizer: Optimizer, param: Tensor, gradient: Tensor, slots: Tensors, now: list[Tensor]
) -> None:
    """You et al. 2020, algorithm 2, with the identity for phi."""
    direction = adam_direction(optimizer, gradient, slots, now[1], LAMB_EPSILON) * now[2]
    direction = direction.add(param, alpha=optimizer.weight_decay)
    length, reach = norms(param), norms(direction)
    trust = torch.where((length > 0) & (reach > 0), length / reach, 1.0)
    param.addcmul_(direction, trust * now[0])


def adam_direction(
    optimizer: Optimizer, gradient: Tensor, slots: Tensors, root: Tensor, epsilon: float
) -> Tensor:
    """The mean gradient over the root of the mean square (Kingma & Ba 2015, algorithm 1); ``root``
    undoes the latter's bias."""
    mean, beta2 = slots["mean"].lerp_(gradient, 1 - optimizer.beta1), optimizer.beta2
    squares = slots["squares"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    return mean / squares.sqrt().mul_(root).add_(epsilon)


def norms(tensor: Tensor) -> Tensor:
    """Each lane's Euclidean norm, in a shape that multiplies the lanes."""
    length = torch.linalg.vector_norm(tensor.flatten(1), dim=1)
    return length.view(-1, *[1] * (tensor.ndim - 1))


RULES = {
    "sgd": Rule(velocity_slot, rate_alone, sgd, step_by_product=sgd_by_product),
    "nesterov": Rule(velocity_slot, rate_alone, nesterov),
    "adagrad": Rule(squares_slot, rate_alone, adagrad),
    "rmsprop": Rule(squares_and_velocity_slots, rate_alone, rmsprop),
    "adam": Rule(moment_slots, adam_quantities, adam),
    "adamw": Rule(moment_slots, adam_quantities, adamw),
    "schedule_free": Rule(squares_and_newest_slots, schedule_free_quantities, schedule_free),
    "lion": Rule(mean_slot, lion_quantities, lion),
    "muon": Rule(moment_slots, muon_quantities, adamw, matrix_step=muon),
    "lars": Rule(velocity_slot, rate_alone, lars),
    "lamb": Rule(moment_slots, lamb_quantities, lamb),
}


def slot_names(optimizer: Optimizer) -> tuple[str, ...]:
    """The tensors of a parameter's shape that the optimizer remembers between steps."""
    return (*RULES[optimizer.name].slots(optimizer), *([AVERAGE] if optimizer.averages else []))


def initial_slots(optimizer: Optimizer, params: Tensors) -> dict[str, Tensors]:
    """Zeros for every slot and parameter; the newest weights are the first ones."""
    return {
        slot: {
            name: tensor.clone() if slot == NEWEST else torch.zeros_like(tensor)
            for name, tensor in params.items()
        }
        for slot in slot_names(optimizer)
    }


def table(
    optimizer: Optimizer,
    rates: Tensor,
    factors: Sequence[float],
    first_step: int,
    weight_before: float = 0.0,
) -> Tensor:
    """The quantities of consecutive steps, (steps, quantities, lanes) float32; the last one is the
    newest weights' share in their average, where there is one.

    rates: (lanes,) float64; factors: the schedule's, one for each step; weight_before: the sum of
    the squared factors of the steps before them.
    """
    quantities, rows = RULES[optimizer.name].quantities, []
    weight = weight_before
    for step, factor in enumerate(factors, first_step):
        row = quantities(optimizer, rates * factor, step)
        weight += factor**2
        if optimizer.averages:
            is_steady = optimizer.ema > 0 and step > 1
            share = 1 - optimizer.ema if is_steady else factor**2 / weight
            row = torch.cat([row, torch.full_like(row[:1], share)])
        rows.append(row)
    return torch.stack(rows).float()


def clipped(optimizer: Optimizer, gradients: dict[str, Gradient]) -> dict[str, Gradient]:
    """Each lane's gradient, shortened where it is too long (Pascanu et al. 2013, algorithm 1, as
    torch has it)."""
    if optimizer.clip_norm is None:
        return gradients
    whole = {name: dense(gradient) for name, gradient in gradients.items()}
    lengths = [torch.linalg.vector_norm(tensor.flatten(1), dim=1) for tensor in whole.values()]
    length = torch.linalg.vector_norm(torch.stack(lengths), dim=0)
    factor = (optimizer.clip_norm / (length + 1e-6)).clamp(max=1)
    return {
        name: tensor * factor.view(-1, *[1] * (tensor.ndim - 1)) for name, tensor in whole.items()
    }


def update(
    optimizer: Optimizer,
    params: Tensors,
    gradients: Mapping[str, Gradient],
    state: dict[str, Tensors],
    now: Tensor,
    matrices: frozenset[str] = frozenset(),
) -> None:
    """Change ``params`` and ``state`` in place by one step; ``now`` is a row of the table;
    ``matrices`` are the names of the hidden ones."""
    rule = RULES[optimizer.name]
    shapes, each = {param.ndim for param in params.values()}, now.unbind()
    by_ndim = {n: [quantity.view(-1, *[1] * (n - 1)) for quantity in each] for n in shapes}
    for name, param in params.items():
        gradient, quantities = gradients[name], by_ndim[param.ndim]
        slots = {slot: tensors[name] for slot, tensors in state.items()}
        is_done = (
            isinstance(gradient, tuple)
            and rule.step_by_product is not None
            and rule.step_by_product(optimizer, param, gradient, slots, quantities)
        )
        if not is_done:
            step = rule.matrix_step if rule.matrix_step and name in matrices else rule.step
            step(optimizer, param, dense(gradient), slots, quantities)
        if optimizer.ema:
            slots[AVERAGE].lerp_(param, quantities[-1])
