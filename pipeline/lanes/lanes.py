"""Cells as lanes: their weights stacked on a leading axis.

Nothing of a lane depends on its place or on its neighbours. A lone lane would take other kernels
than several and end with other bits: those of a pack are trained either each alone or never fewer
than FEWEST at once. And MKL adds up in another order where a matrix begins at another place of a
cache line, unless it is told not to before it is first called.
"""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from pipeline.models.build import elementary
from pipeline.params.settings import Cell
from pipeline.training import seeds
from pipeline.training.dataset import Dataset
from pipeline.training.pack import Pack

os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

Item = TypeVar("Item")
Tensors = dict[str, Tensor]
Gradient = Tensor | tuple[Tensor, Tensor]
"""A gradient, or the two factors whose batched product it is."""
FEW_CHANNELS = (2, 3)
"""In a convolution from so many channels of a group, oneDNN takes another kernel, with other bits,
by the number of groups (version 3.12 with AVX-512 does): lanes are computed one by one."""
FEWEST = 2
"""Lanes at once, where several may be: a lone cell trains beside a twin that nobody looks at."""


def padded(cells: Sequence[Item], fewest: int) -> list[Item]:
    """The cells, or their places, in order, with twins of the last one up to ``fewest``."""
    return [*cells, *[cells[-1]] * (fewest - len(cells))]


def piece_count(cells: int, lanes_at_once: int, fewest: int) -> int:
    """In how many pieces to train cells, of ``lanes_at_once`` or a few more: none has fewer than
    ``fewest``, so that of two lanes at once an odd one out joins a pair."""
    return max(1, min(-(-cells // lanes_at_once), cells // fewest))


def without_dead(alive: Sequence[int], dead: Sequence[bool], fewest: int) -> list[int]:
    """The places in ``alive`` that are not dead, with the first dead ones up to ``fewest``."""
    living = [place for place in range(len(alive)) if not dead[place]]
    rest = [place for place in range(len(alive)) if dead[place]]
    return sorted([*living, *rest[: max(0, fewest - len(living))]])


def dense(gradient: Gradient) -> Tensor:
    """The gradient as one tensor."""
    return torch.bmm(*gradient) if isinstance(gradient, tuple) else gradient


@dataclass(frozen=True)
class Lanes:
    """What differs between lanes, each tensor (lanes, ...), beside the network they share.

    dropout: the base key of every dropout layer, by the name of its buffer. keys: what the changes
    of augmented examples are drawn with.
    seed_index: which of ``seeds`` each lane's data order comes from.
    """

    model: nn.Module
    params: Tensors
    buffers: Tensors
    dropout: Tensors
    keys: Tensor
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
            self.keys[index],
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

    def stack(by_seed: list[Tensors]) -> Tensors:
        return {
            name: torch.stack([tensors[name].detach() for tensors in by_seed]).to(device)[index]
            for name in by_seed[0]
        }

    bases = [
        seeds.dropout_bases(model, settings.seed, seed)
        for model, seed in zip(models, distinct, strict=True)
    ]
    keys = [seeds.augmentation_key(settings.seed, cell.seed) for cell in cells]
    dropout = stack(bases)
    buffers = stack([dict(model.named_buffers()) for model in models])
    return Lanes(
        elementary(models[0]).to(device),
        stack([dict(model.named_parameters()) for model in models]),
        {name: buffer for name, buffer in buffers.items() if name not in dropout},
        dropout,
        torch.stack(keys).to(device),
        torch.tensor([cell.lr for cell in cells], dtype=torch.float64, device=device),
        distinct,
        index,
    )


def predictor(lanes: Lanes) -> Callable[[Tensor], Tensor]:
    """Inputs (n, ...) to outputs (lanes, n, outputs), in evaluation mode."""
    lanes.model.eval()
    # a dropout layer keeps its own unused key: it does nothing in evaluation mode
    weights = {**lanes.params, **lanes.buffers}
    on_cpu = lanes.rates.device.type == "cpu"
    at_once = 1 if on_cpu and has_hidden_few_channels(lanes.model) else None
    one = vmap(
        lambda tensors, x: functional_call(lanes.model, tensors, (x,)),
        in_dims=(0, None), chunk_size=at_once,
    )  # fmt: skip
    return functools.partial(one, weights)


def has_hidden_few_channels(model: nn.Module) -> bool:
    """Whether a convolution from FEW_CHANNELS is not the first module with tensors: that one is of
    the examples, which all lanes share in an evaluation."""
    with_tensors = [
        module
        for module in model.modules()
        if any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))
    ]
    return any(
        isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        and module.in_channels // module.groups in FEW_CHANNELS
        for module in with_tensors[1:]
    )


def norms(tensors: Tensors, order: float = 2) -> Tensor:
    """Each lane's norm over all tensors, Euclidean or of another order, (lanes,) float64 on the
    CPU."""
    each = [
        torch.linalg.vector_norm(tensor.flatten(1), order, dim=1) for tensor in tensors.values()
    ]
    return torch.linalg.vector_norm(torch.stack(each).double(), order, dim=0).cpu()
