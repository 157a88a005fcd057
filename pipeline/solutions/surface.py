"""Many solutions of one network as points of the same loss surface.

All quantities are exact means over the examples of a part, in evaluation mode: batch norm with
its running statistics, dropout off.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_leaves, tree_map

from pipeline.models.build import elementary
from pipeline.params.network import MODELS
from pipeline.params.settings import Settings
from pipeline.training import seeds
from pipeline.training.dataset import Dataset, Part
from pipeline.training.losses import elementary_loss, losses_and_scores, targets_of

Tensors = dict[str, Tensor]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Losses = Callable[[Tensor], Tensor]
"""The losses of (solutions, parameters), (solutions,)."""
EXAMPLES_AT_ONCE = 8192
"""Examples times solutions that are computed together: it bounds the memory."""


@dataclass(frozen=True)
class Solutions:
    """Parameters and buffers stacked on axis 0, (solutions, ...), beside their network.

    batched: whether torch.func can batch the network; if not, one solution follows the other.
    """

    model: nn.Module
    params: Tensors
    buffers: Tensors
    task: str
    batched: bool

    def __len__(self) -> int:
        return len(next(iter(self.params.values())))

    def take(self, index: Any) -> "Solutions":
        """The solutions at the given places of axis 0."""
        params = {name: tensor[index] for name, tensor in self.params.items()}
        buffers = {name: tensor[index] for name, tensor in self.buffers.items()}
        return replace(self, params=params, buffers=buffers)

    def flat(self) -> Tensor:
        """The parameters as rows, (solutions, parameters)."""
        return torch.cat([tensor.flatten(1) for tensor in self.params.values()], dim=1)

    def moved(self, flat: Tensor) -> "Solutions":
        """The same network at other parameters, (solutions, parameters)."""
        return replace(self, params=self.unflat(flat))

    def unflat(self, flat: Tensor) -> Tensors:
        """The reverse of ``flat``; leading axes (solutions, or none) stay as they are."""
        sizes = [tensor[0].numel() for tensor in self.params.values()]
        parts = flat.split(sizes, dim=-1)
        return {
            name: part.reshape(*flat.shape[:-1], *tensor.shape[1:])
            for (name, tensor), part in zip(self.params.items(), parts, strict=True)
        }

    def outputs(self, x: Tensor) -> Tensor:
        """Inputs (n, ...) to outputs (solutions, n, outputs)."""
        weights = {**self.params, **self.buffers}
        return self.each(lambda tensors: functional_call(self.model, tensors, (x,)), weights)

    def losses_and_scores(self, part: Part) -> tuple[Floats, Floats]:
        """Mean loss and score of each, both (solutions,)."""
        loss, score = losses_and_scores(self.outputs, len(self), part, self.task)
        return loss.numpy(), score.numpy()

    def predictions(self, part: Part) -> npt.NDArray[np.int64]:
        """The likeliest class of every example, (solutions, n)."""
        return self.of_examples(part, lambda outputs, y: outputs.argmax(-1))

    def outcomes(self, part: Part) -> Floats32:
        """Of every example whether its class is found, 1 or 0, the share of its tokens, or its
        squared error, (solutions, n)."""
        if self.task == "regression":
            return self.of_examples(part, lambda outputs, y: (outputs - y).square()[..., 0].float())
        return self.of_examples(part, lambda outputs, y: hits(outputs, y, self.task))

    def of_examples(self, part: Part, quantity: Callable[[Tensor, Tensor], Tensor]) -> Any:
        """A quantity of outputs (solutions, rows, outputs) and targets (rows, ...), for all
        examples: (solutions, n)."""
        rows = examples_at_once(part) // len(self) + 1
        chunks = zip(part.x.split(rows), part.y.split(rows), strict=True)
        with torch.no_grad():
            return torch.cat([quantity(self.outputs(x), y) for x, y in chunks], dim=1).cpu().numpy()

    def losses(self, part: Part) -> Tensor:
        """The mean loss of each, (solutions,)."""
        return self.mean(part, lambda losses, flat: losses(flat))

    def gradients(self, part: Part) -> Tensor:
        """The gradient of each mean loss, (solutions, parameters)."""
        return self.mean(part, lambda losses, flat: slopes(losses(flat), flat))

    def losses_and_gradients(self, part: Part) -> tuple[Tensor, Tensor]:
        """Both at once, for little more than the gradient."""

        def both(losses: Losses, flat: Tensor) -> Tensor:
            values = losses(flat)
            return torch.cat([values.detach()[:, None], slopes(values, flat)], dim=1)

        means = self.mean(part, both)
        return means[:, 0], means[:, 1:]

    def hessian_products(self, part: Part, vectors: Tensor) -> Tensor:
        """The Hessian of each mean loss times its own vector, both (solutions, parameters).

        The gradient of (gradient . vector): exact (Pearlmutter 1994).
        """

        def products(losses: Losses, flat: Tensor, vectors: Tensor) -> Tensor:
            gradients = slopes(losses(flat), flat, create_graph=True)
            return slopes((gradients * vectors).sum(1), flat)

        return self.mean(part, products, vectors)

    def mean(self, part: Part, quantity: Callable[..., Tensor], *per_solution: Tensor) -> Tensor:
        """The mean over the part's examples of a quantity that is linear in the loss.

        quantity: (losses as a function of flat parameters, flat parameters, ...), each with an axis
        of solutions, to a tensor with one.
        """
        flat = self.flat().detach().requires_grad_()
        rows = max(1, examples_at_once(part) // len(self))
        total = torch.zeros((), dtype=flat.dtype, device=flat.device)
        for start in range(0, len(part), rows):
            x, y = part.x[start : start + rows], part.y[start : start + rows]
            with torch.enable_grad():
                value = quantity(self._losses_on(x, y), flat, *per_solution)
            total = total + value.detach() * (len(y) / len(part))
        return total

    def _losses_on(self, x: Tensor, y: Tensor) -> Losses:
        def one(flat: Tensor, buffers: Tensors) -> Tensor:
            return self.loss(flat, buffers, x, y)

        return lambda flat: self.each(one, flat, self.buffers)

    def loss(self, flat: Tensor, buffers: Tensors, x: Tensor, y: Tensor) -> Tensor:
        """The mean loss on examples at one solution's flat parameters."""
        outputs = functional_call(self.model, {**self.unflat(flat), **buffers}, (x,))
        return elementary_loss(outputs, targets_of(y, outputs.shape[-1], self.task), self.task)

    def each(self, function: Callable[..., Any], *stacked: Any) -> Any:
        """A function of tensors without their axis 0, over it: batched, or one after the other."""
        several = len(tree_leaves(stacked)[0]) > 1
        return (vmap(function) if self.batched and several else one_by_one(function))(*stacked)


def examples_at_once(part: Part) -> int:
    """How many examples are looked at together, of one solution: it bounds the memory."""
    return max(1, EXAMPLES_AT_ONCE // part.burden)


def hits(outputs: Tensor, y: Tensor, task: str) -> Tensor:
    """Whether each class is found, or of each window the share of its tokens: (solutions, rows)."""
    found = (outputs.argmax(-1) == y).float()
    return found.mean(-1) if task == "language" else found


def slopes(losses: Tensor, flat: Tensor, create_graph: bool = False) -> Tensor:
    """The gradient of every solution's loss by its own parameters, (solutions, parameters).

    The losses' sum is differentiated: no solution's parameters change another's loss. (torch.func's
    own gradient would import torch's compiler.)
    """
    (gradients,) = torch.autograd.grad(
        losses.sum(), flat, create_graph=create_graph, materialize_grads=True
    )
    return gradients


def one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """What ``vmap(function)`` is, for functions that it cannot batch."""

    def over(*stacked: Any) -> Any:
        count = len(tree_leaves(stacked)[0])
        results = [
            function(*tree_map(lambda tensor, at=place: tensor[at], stacked))
            for place in range(count)
        ]
        return tree_map(lambda *leaves: torch.stack(leaves), *results)

    return over


def solutions(settings: Settings, data: Dataset, weights: Tensors) -> Solutions:
    """Stacked weights, as a training leaves them, beside the variant's network."""
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
    model = elementary(model.to(data.train.x.device)).eval()
    made = with_weights(Solutions(model, {}, {}, data.task, batched=True), weights)
    can_batch = settings.model.name in MODELS or is_batchable(made, data.train)
    return replace(made, batched=can_batch)


def with_weights(like: Solutions, weights: Tensors) -> Solutions:
    """Other stacked weights beside the same network."""
    params = {name: weights[name] for name, _ in like.model.named_parameters()}
    buffers = {name: tensor for name, tensor in weights.items() if name not in params}
    return replace(like, params=params, buffers=buffers)


def is_batchable(solutions: Solutions, part: Part) -> bool:
    """Whether torch.func can batch a user's network, tried on two examples."""
    two = Part(part.x[:2], part.y[:2])
    try:
        twins = replace(solutions.take([0, 0]), batched=True)
        twins.hessian_products(two, twins.flat())
    except Exception:  # a user's model may fail in any way
        return False
    return True


def sample(part: Part, count: int, base_seed: int) -> Part:
    """``count`` examples of a part drawn by the study's seed; all of them in their order if there
    are no more."""
    if count >= len(part):
        return part
    generator = torch.Generator().manual_seed(seeds.keyed("sample", base_seed))
    rows = torch.randperm(len(part), generator=generator)[:count].sort().values
    rows = rows.to(part.x.device)
    return Part(part.x[rows], part.y[rows])
