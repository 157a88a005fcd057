"""Train packs for a stage, and turn what comes out into tables."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch

from pipeline.data.tensors import Dataset
from pipeline.engine import budget, loop
from pipeline.engine.pack import CURVES, FINALS, Pack, Trained
from pipeline.params import BatchSize, Cell, Params


def make_pack(
    params: Params, variant: str, batch_size: BatchSize, cells: Sequence[Cell], data: Dataset
) -> Pack:
    """The pack of these cells on these data.

    Raises InputError for a batch size beyond the training set.
    """
    examples = len(data.train)
    resolved = budget.resolve(batch_size, examples)
    return Pack(params.settings(variant), resolved, examples, tuple(cells))


def train(pack: Pack, data: Dataset, on_steps: Callable[[int], None]) -> Trained:
    """Train a pack with one intra-op thread: these networks are too small to share one."""
    torch.set_num_threads(1)
    return loop.train(pack, data, on_steps)


def keys(pack: Pack) -> pd.DataFrame:
    """One row per cell: variant, batch_size (a number), lr, seed, phase."""
    return pd.DataFrame([asdict(cell) | {"batch_size": pack.batch_size} for cell in pack.cells])


def history(pack: Pack, trained: Trained) -> pd.DataFrame:
    """One row per cell and evaluation; none from a cell's divergence on."""
    cells = keys(pack)
    points = len(trained.steps)
    table = cells.loc[cells.index.repeat(points)].reset_index(drop=True)
    table["step"] = np.tile(np.array(trained.steps, dtype=np.int64), len(cells))
    table["epoch"] = table["step"] / pack.steps_per_epoch
    table["examples"] = table["step"] * pack.batch_size
    for name in CURVES:
        table[name] = trained.curves[name].reshape(-1)
    return table[table["val_loss"].notna()].reset_index(drop=True)


def lanes(pack: Pack, trained: Trained) -> pd.DataFrame:
    """One row per cell: status, steps done, diverged_step, best and final losses and scores."""
    table = keys(pack)
    diverged = trained.diverged_step > 0
    table["status"] = np.where(diverged, "diverged", "finished")
    table["steps"] = np.where(diverged, trained.diverged_step, pack.steps)
    table["diverged_step"] = pd.array(trained.diverged_step, dtype="Int64")
    table.loc[~diverged, "diverged_step"] = pd.NA
    for name in FINALS:
        table[name] = trained.finals[name]
    table["best_val_score"] = _over_curve(np.fmax, trained.curves["val_score"])
    table["best_val_loss"] = _over_curve(np.fmin, trained.curves["val_loss"])
    return table


def _over_curve(better: np.ufunc, curve: np.ndarray) -> np.ndarray:
    """The best value along each cell's curve, NaN where it never was evaluated."""
    best: np.ndarray = better.reduce(curve, axis=1)
    return best
