"""Many solutions of one network as points of the same loss surface.

All quantities are exact means over the examples of a part, in evaluation mode: batch norm with
its running statistics, dropout off.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, vmap
from torch.utils._pytree import tree_leaves, tree_map

from pipeline.models.batch_norm import elementary
from pipeline.params.network import MODELS
from pipeline.params.settings import Settings
from pipeline.training import seeds
from pipeline.training.dataset import Dataset, Part
from pipeline.training.losses import losses_and_scores, mean_loss

Tensors = dict[str, Tensor]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
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
        """Of every example whether its class is found, 1 or 0, or its squared error, (solutions,
        n)."""
        if self.task == "classification":
            return self.of_examples(part, lambda outputs, y: (outputs.argmax(-1) == y).float())
        return self.of_examples(part, lambda outputs, y: (outputs - y).square()[..., 0].float())

    def of_examples(self, part: Part, quantity: Callable[[Tensor, Tensor], Tensor]) -> Any:
        """A quantity of outputs (solutions, rows, outputs) and targets (rows, ...), for all
        examples: (solutions, n)."""
        rows = EXAMPLES_AT_ONCE // len(self) + 1
        chunks = zip(part.x.split(rows), part.y.split(rows), strict=True)
        with torch.no_grad():
            return torch.cat([quantity(self.outputs(x), y) for x, y in chunks], dim=1).cpu().numpy()

    def losses(self, part: Part) -> Tensor:
        """The mean loss of each, (solutions,)."""
        return self.mean(part, lambda loss, w: loss(w))

    def gradients(self, part: Part) -> Tensor:
        """The gradient of each mean loss, (solutions, parameters)."""
        return self.mean(part, lambda loss, w: grad(loss)(w))

    def losses_and_gradients(self, part: Part) -> tuple[Tensor, Tensor]:
        """Both at once, for little more than the gradient."""

        def both(loss: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
            gradient, value = grad_and_value(loss)(w)
            return torch.cat([value[None], gradient])

        means = self.mean(part, both)
        return means[:, 0], means[:, 1:]

    def hessian_products(self, part: Part, vectors: Tensor) -> Tensor:
        """The Hessian of each mean loss times its own vector, both (solutions, parameters).

        The gradient of (gradient . vector): exact (Pearlmutter 1994).
        """

        def product(loss: Callable[[Tensor], Tensor], w: Tensor, vector: Tensor) -> Tensor:
            return grad(lambda point: (grad(loss)(point) * vector).sum())(w)

        return self.mean(part, product, vectors)

    def mean(self, part: Part, quantity: Callable[..., Tensor], *per_solution: Tensor) -> Tensor:
        """The mean over the part's examples of a quantity that is linear in the loss.

        quantity: (loss as a function of flat parameters, flat parameters, ...) to a tensor.
        """
        flat = self.flat()
        rows = max(1, EXAMPLES_AT_ONCE // len(self))
        total = torch.zeros((), dtype=flat.dtype, device=flat.device)
        for start in range(0, len(part), rows):
            x, y = part.x[start : start + rows], part.y[start : start + rows]
            one = functools.partial(self._on_examples, quantity, x, y)
            total = total + self.each(one, self.buffers, flat, *per_solution) * (len(y) / len(part))
        return total

    def _on_examples(
        self, quantity: Callable[..., Tensor], x: Tensor, y: Tensor,
        buffers: Tensors, w: Tensor, *rest: Tensor,
    ) -> Tensor:  # fmt: skip
        return quantity(self.loss(buffers, x, y), w, *rest)

    def loss(self, buffers: Tensors, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
        """The mean loss on examples as a function of one solution's flat parameters."""

        def loss(w: Tensor) -> Tensor:
            outputs = functional_call(self.model, {**self.unflat(w), **buffers}, (x,))
            return mean_loss(outputs, y, self.task)

        return loss

    def each(self, function: Callable[..., Any], *stacked: Any) -> Any:
        """A function of tensors without their axis 0, over it: batched, or one after the other."""
        several = len(tree_leaves(stacked)[0]) > 1
        return (vmap(function) if self.batched and several else one_by_one(function))(*stacked)


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
        solutions.take(slice(0, 1)).hessian_products(two, solutions.flat()[:1])
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
