"""Cells as lanes: their weights stacked on a leading axis.

Nothing of a lane depends on its place or on its neighbours.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from pipeline.data.tensors import Dataset, Part
from pipeline.engine import seeds
from pipeline.engine.losses import EVALUATION_ROWS
from pipeline.engine.pack import Pack
from pipeline.models.batch_norm import elementary
from pipeline.params import Cell

Tensors = dict[str, Tensor]
Gradient = Tensor | tuple[Tensor, Tensor]
"""A gradient, or the two factors whose batched product it is."""


def dense(gradient: Gradient) -> Tensor:
    """The gradient as one tensor."""
    return torch.bmm(*gradient) if isinstance(gradient, tuple) else gradient


@dataclass(frozen=True)
class Lanes:
    """What differs between lanes, each tensor (lanes, ...), beside the network they share.

    dropout: the base key of every dropout layer, by the name of its buffer.
    seed_index: which of ``seeds`` each lane's data order comes from.
    """

    model: nn.Module
    params: Tensors
    buffers: Tensors
    dropout: Tensors
    rates: Tensor
    seeds: tuple[int, ...]
    seed_index: Tensor

    def __len__(self) -> int:
        return len(self.rates)

    def weights(self) -> Tensors:
        """Parameters and the buffers that belong to a solution, as in a state_dict."""
        return {
            name: self.params[name] if name in self.params else self.buffers[name]
            for name in self.model.state_dict()
        }

    def take(self, index: Tensor) -> "Lanes":
        """Copies of the given lanes."""
        return Lanes(
            self.model,
            picked(self.params, index),
            picked(self.buffers, index),
            picked(self.dropout, index),
            self.rates[index],
            self.seeds,
            self.seed_index[index],
        )


def picked(tensors: Tensors, index: Tensor) -> Tensors:
    """Copies of the given lanes of every tensor."""
    return {name: tensor[index] for name, tensor in tensors.items()}


def stacked(pack: Pack, cells: Sequence[Cell], data: Dataset) -> Lanes:
    """The lanes of these cells on the data's device, before their first step.

    Cells of one seed start from the same weights, which are drawn once.
    """
    settings, device = pack.settings, data.train.x.device
    distinct = tuple(sorted({cell.seed for cell in cells}))
    models = [
        seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, seed)
        for seed in distinct
    ]
    index = torch.tensor([distinct.index(cell.seed) for cell in cells], device=device)

    def stack(values: list[Tensors]) -> Tensors:
        return {
            name: torch.stack([own[name].detach() for own in values]).to(device)[index]
            for name in values[0]
        }

    bases = [
        seeds.dropout_bases(model, settings.seed, seed)
        for model, seed in zip(models, distinct, strict=True)
    ]
    dropout = stack(bases)
    buffers = stack([dict(model.named_buffers()) for model in models])
    return Lanes(
        elementary(models[0]).to(device),
        stack([dict(model.named_parameters()) for model in models]),
        {name: buffer for name, buffer in buffers.items() if name not in dropout},
        dropout,
        torch.tensor([cell.lr for cell in cells], dtype=torch.float64, device=device),
        distinct,
        index,
    )


def predictor(lanes: Lanes) -> Callable[[Tensor], Tensor]:
    """Inputs (n, ...) to outputs (lanes, n, outputs), in evaluation mode."""
    lanes.model.eval()
    # a dropout layer keeps its own unused key: it does nothing in evaluation mode
    weights = {**lanes.params, **lanes.buffers}
    one = vmap(lambda own, x: functional_call(lanes.model, own, (x,)), in_dims=(0, None))
    return functools.partial(one, weights)


def losses_and_scores(
    predict: Callable[[Tensor], Tensor], lanes: int, part: Part, task: str
) -> tuple[Tensor, Tensor]:
    """Mean loss and score of every lane over a part, both (lanes,) float64 on the CPU.

    predict: inputs (n, ...) to outputs (lanes, n, outputs). The same quantities, in the same
    chunks, as ``losses.loss_and_score``.
    """
    sums = torch.zeros(2, lanes, dtype=torch.float64, device=part.x.device)
    with torch.no_grad():
        for start in range(0, len(part), EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            outputs, y = predict(part.x[rows]), part.y[rows]
            if task == "classification":
                sums[0] += cross_entropies(outputs, y).sum(1)
                sums[1] += (outputs.argmax(-1) == y).sum(1)
            else:
                sums[0] += (outputs - y).square().sum((1, 2))
    loss = sums[0].cpu() / len(part)
    if task == "classification":
        return loss, sums[1].cpu() / len(part)
    return loss, 1 - loss / part.y.double().var(correction=0).item()


def cross_entropies(outputs: Tensor, y: Tensor) -> Tensor:
    """(lanes, n, classes) and labels (n,) to the cross entropy of each example (lanes, n)."""
    labels = y.expand(len(outputs), -1)[..., None]
    return outputs.logsumexp(-1) - outputs.gather(-1, labels)[..., 0]


def norms(tensors: Tensors, order: float = 2) -> Tensor:
    """Each lane's norm over all tensors, Euclidean or of another order, (lanes,) float64 on the
    CPU."""
    own = [torch.linalg.vector_norm(tensor.flatten(1), order, dim=1) for tensor in tensors.values()]
    return torch.linalg.vector_norm(torch.stack(own).double(), order, dim=0).cpu()
