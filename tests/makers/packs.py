"""Packs to train, and trainings compared."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from makers.processes import unheard
from pipeline.executors.processes import OnDone
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.job import Job
from pipeline.lanes.plan import Plan
from pipeline.lanes.run import train_lanes
from pipeline.params import optimizer
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.schedule import Budget, Schedule
from pipeline.params.settings import Cell, Settings
from pipeline.training import loop
from pipeline.training.dataset import Dataset
from pipeline.training.pack import CURVES, FINALS, Pack, Trained

OPTIMIZERS = {
    "sgd": Optimizer("sgd"),
    "decay": Optimizer("sgd", 0.0, 0.05),
    "momentum": Optimizer("sgd", 0.9, 0.01),
    "nesterov": Optimizer("nesterov", 0.9, 0.01),
    "adagrad": Optimizer("adagrad", 0.0, 0.01),
    "adam": Optimizer("adam", 0.0, 0.01),
    "adam_fast": Optimizer("adam", 0.0, 0.01, beta1=0.5, beta2=0.9, epsilon=1e-3),
    "adamw": Optimizer("adamw", 0.0, 0.1),
    "averaged": Optimizer("adam", ema=0.8),
    "clipped": Optimizer("sgd", 0.9, clip_norm=0.05),
    "rmsprop": Optimizer("rmsprop", 0.5, 0.01, beta2=0.9),
    "rmsprop_plain": Optimizer("rmsprop", beta2=0.99),
    "lion": Optimizer("lion", 0.0, 0.1, beta2=0.99),
    "muon": Optimizer("muon", 0.95, 0.1),
    "lars": Optimizer("lars", 0.9, 0.01),
    "lamb": Optimizer("lamb", 0.0, 0.01),
}


OPTIMIZERS |= {
    name: Optimizer(name, weight_decay=0.01)
    for name in optimizer.OPTIMIZERS
    if name not in {tried.name for tried in OPTIMIZERS.values()}
}
"""Every optimizer that params.yaml may name, a new one too, and some in several settings."""


SCHEDULES = {
    "constant": Schedule(),
    "warm": Schedule(warmup_steps=5),
    "cosine": Schedule("cosine", 3),
    "linear": Schedule("linear", 2),
    "wsd": Schedule("wsd", 2, decay=0.4),
    "onecycle": Schedule("onecycle"),
    "step": Schedule("step", 2, [0.5, 0.8], 0.3),
    "growth": Schedule("growth", 2, [0.3, 0.6], 0.4),
    "seesaw": Schedule("growth", 2, [0.3, 0.6], 0.4, exchange="adam"),
}


MODELS = {
    "linear": Model("linear"),
    "mlp": Model("mlp", [8, 5]),
    "tanh": Model("mlp", [8], "tanh"),
    "odd": Model("mlp", [33, 7]),
    "batch_norm": Model("mlp", [8, 5], norm="batch"),
    "chosen_norm": Model("mlp", [8, 5], "gelu", "batch", [1]),
    "dropout": Model("mlp", [8, 5], dropout=0.3),
    "ghost": Model("mlp", [8, 5], norm="ghost", ghost_size=4),
    "both": Model("mlp", [8, 5], norm="batch", dropout=0.2),
}


TRANSFORMERS = {
    "learned": Model("transformer", [], "gelu", layers=2, heads=2, width=8),
    "rotary": Model("transformer", [], "relu", layers=1, heads=2, width=8, positions="rotary"),
    "tied": Model("transformer", [], "gelu", layers=1, heads=1, width=6, tied=True, dropout=0.2),
}


def make_pack(
    rates: tuple[float, ...] = (0.003, 0.03), seeds: tuple[int, ...] = (0, 1, 5), **keys: object
) -> Pack:
    """Rates crossed with seeds at batch size 8; keys replace those of the settings."""
    base = Settings(model=Model("mlp", [8, 5]), budget=Budget(3, 16, 6))
    cells = tuple(Cell("baseline", 8, lr, seed) for lr in rates for seed in seeds)
    return with_snapshots(Pack(replace(base, **keys), 8, 64, cells))  # type: ignore[arg-type]


def with_snapshots(pack: Pack) -> Pack:
    """The pack with its third evaluation and its end kept."""
    return replace(pack, snapshots=(pack.evaluation_steps[2], pack.steps))


def make_job(
    data: Dataset,
    engine: str = "traced",
    micro_batches: int = 1,
    lanes_at_once: int = 100,
    on_steps: OnDone = unheard,
    store: Store | None = None,
) -> Job:
    """A job for one process."""
    return Job(data, Plan(engine, "", 1, lanes_at_once, micro_batches), on_steps, store)


def lanes(pack: Pack, data: Dataset, **keys: Any) -> Trained:
    """The pack trained as lanes; every step must have been counted."""
    counted: list[int] = []
    trained = train_lanes(pack, make_job(data, on_steps=counted.append, **keys))
    assert sum(counted) == (pack.end - pack.first_step) * len(pack.cells)
    return trained


def plain(pack: Pack, data: Dataset) -> Trained:
    """The pack trained by the reference loop."""
    return loop.train_cells(pack, data, unheard)


def assert_close(found: Trained, expected: Trained) -> None:
    """Equal to what float32 sums in another order allow."""
    assert np.array_equal(found.diverged_step, expected.diverged_step)
    assert found.weights.keys() == expected.weights.keys()
    for name, weights in (expected.weights | expected.snapshots).items():
        actual = (found.weights | found.snapshots)[name]
        np.testing.assert_allclose(actual, weights, rtol=2e-3, atol=2e-5, err_msg=name)
    for name in CURVES:
        np.testing.assert_allclose(
            found.curves[name], expected.curves[name], rtol=2e-3, atol=2e-5, err_msg=name
        )
    for name in FINALS:
        np.testing.assert_allclose(found.finals[name], expected.finals[name], rtol=2e-3, atol=2e-5)


def assert_same_bits(found: Trained, expected: Trained) -> None:
    """Equal to the last bit."""
    assert np.array_equal(found.diverged_step, expected.diverged_step)
    for group in ("weights", "snapshots", "curves", "finals"):
        for name, array in getattr(expected, group).items():
            assert np.array_equal(getattr(found, group)[name], array, equal_nan=True), name


def in_rounds(pack: Pack, train: Callable[[Pack], Trained], stops: Sequence[int]) -> Trained:
    """The pack stopped at some of its evaluations, by their place, and gone on with each time."""
    begun = None
    for place in [*stops, -1]:
        begun = train(replace(pack, until=pack.evaluation_steps[place], begun=begun))
    assert begun is not None
    return begun


class Branching(nn.Module):
    """A model whose path depends on its data, which vmap cannot follow."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(shape[0], outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)
        return out if out.sum() > 0 else -out


class LowRank(nn.Module):
    """Weights that are a product of two parameters."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.randn(2, shape[0]))
        self.outer = nn.Parameter(torch.randn(outputs, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ (self.outer @ self.inner).T


def plain_model(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A network that the project does not have, and that vmap can follow."""
    return nn.Sequential(nn.Linear(shape[0], 7), nn.LayerNorm(7), nn.SiLU(), nn.Linear(7, outputs))
