"""Solutions of small networks, and their Hessians in full."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.func import jacrev

from pipeline.params.network import Model
from pipeline.params.settings import Settings
from pipeline.solutions import surface
from pipeline.solutions.surface import Solutions
from pipeline.training import seeds
from pipeline.training.dataset import Dataset, Part

NETWORKS = {
    "mlp": Model("mlp", [5, 4]),
    "batch_norm": Model("mlp", [5, 4], norm="batch"),
    "dropout": Model("mlp", [5, 4], dropout=0.3),
}


def double_precision(part: Part) -> Part:
    """The same examples in float64."""
    return Part(part.x.double(), part.y.double() if part.y.is_floating_point() else part.y)


def solutions_of(
    model: Model, data: Dataset, count: int = 3, dtype: torch.dtype = torch.float64
) -> Solutions:
    """Solutions with the initial weights of some seeds, their running statistics off the start."""
    states = [
        seeds.initial_model(model, data.shape, data.outputs, 0, seed).state_dict()
        for seed in range(count)
    ]
    weights = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            weights[name] = tensor.to(dtype) - (0.1 if "running" in name else 0)
    solutions = surface.solutions(Settings(model=model), data, weights)
    return replace(solutions, model=solutions.model.to(dtype))


def dense_hessian(solutions: Solutions, part: Part, place: int) -> Tensor:
    """The Hessian of one solution, (parameters, parameters), by differentiating twice."""
    one = solutions.take(slice(place, place + 1))
    buffers = {name: tensor[0] for name, tensor in one.buffers.items()}
    return jacrev(jacrev(lambda flat: one.loss(flat, buffers, part.x, part.y)))(one.flat()[0])
