"""Train packs for a stage, and turn what comes out into tables."""

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from pipeline.data.tensors import Dataset
from pipeline.engine import budget, workers
from pipeline.engine.pack import CURVES, FINALS, Pack, Trained
from pipeline.engine.plan import Plan
from pipeline.engine.run import Store
from pipeline.engine.workers import WorkerDiedError
from pipeline.errors import InputError
from pipeline.params import BatchSize, Cell, Params
from pipeline.stages import files
from pipeline.stages.progress import progress

LOCK_SECONDS = 20
PACKAGE = Path(__file__).resolve().parent.parent
CODE = ("data", "models", "engine")


def make_pack(
    params: Params, variant: str, batch_size: BatchSize, cells: Sequence[Cell], data: Dataset
) -> Pack:
    """The pack of these cells on these data.

    Raises InputError for a batch size beyond the training set.
    """
    examples = len(data.train)
    resolved = budget.resolve(batch_size, examples)
    settings = params.settings(variant)
    settings = replace(settings, optimizer=settings.optimizer.at(resolved))
    return Pack(settings, resolved, examples, tuple(cells))


def train(pack: Pack, data: Dataset, params: Params, store: Store, label: str) -> Trained:
    """Train a pack by its plan, with progress and checkpoints.

    The caller clears the checkpoints once it has written the outcome.

    Raises InputError when another process is training the same pack, or a worker was killed.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(files.COMPILED.absolute()))
    plan = workers.planned(pack, data, params.impl)
    print(f"{label}: {described(pack, plan)}", file=sys.stderr)
    try:
        with lock(label), progress(label, pack.steps * len(pack.cells)) as on_steps:
            return workers.train(pack, data, plan, on_steps, store)
    except WorkerDiedError as error:
        raise InputError(f"{label}: {error}; run again to go on from its checkpoint") from None


def described(pack: Pack, plan: Plan) -> str:
    """The plan in one line."""
    parts = [f"{len(pack.cells)} cells x {pack.steps:,} steps", f"engine {plan.engine}"]
    parts[1] += f" ({plan.reason})"
    if plan.workers > 1:
        parts.append(f"{plan.workers} processes")
    if plan.engine != "loop" and plan.lanes_at_once * plan.workers < len(pack.cells):
        parts.append(f"{plan.lanes_at_once} lanes at once")
    if plan.micro_batches > 1:
        parts.append(f"{plan.micro_batches} micro-batches, as memory allows")
    return ", ".join(parts)


@contextmanager
def lock(label: str) -> Iterator[None]:
    """Keep a second copy of the same training out."""
    files.CHECKPOINTS.mkdir(exist_ok=True)
    path = files.CHECKPOINTS / f"{label.replace(' ', '-')}.lock"
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        rule = "another process is training it; wait for it or end it"
        raise InputError(f"{label}: {rule} ({path} is locked)") from None


def checkpoints(label: str) -> Store:
    """The checkpoints of one job, named by it, by the processed data and by the training code."""
    digest = hashlib.sha256()
    code = [path for name in CODE for path in sorted((PACKAGE / name).glob("*.py"))]
    for path in [*sorted(files.PROCESSED.iterdir()), *code]:
        digest.update(path.name.encode() + path.read_bytes())
    return Store(files.CHECKPOINTS, f"{label.replace(' ', '-')}-{digest.hexdigest()[:16]}")


def keys(pack: Pack) -> pd.DataFrame:
    """One row per cell: variant, batch_size (a number), lr, seed, phase."""
    return pd.DataFrame([asdict(cell) | {"batch_size": pack.batch_size} for cell in pack.cells])


def history(pack: Pack, trained: Trained) -> pd.DataFrame:
    """One row per cell and evaluation; none from a cell's divergence on."""
    cells = keys(pack)
    points = len(trained.steps)
    table = cells.loc[cells.index.repeat(points)].reset_index(drop=True)
    table["step"] = np.tile(np.array(trained.steps, dtype=np.int64), len(cells))
    table["epoch"] = np.tile([pack.epochs_seen(step) for step in trained.steps], len(cells))
    table["examples"] = np.tile([pack.examples_seen(step) for step in trained.steps], len(cells))
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
    table["engine"], table["micro_batches"] = trained.engine, trained.micro_batches
    table["best_val_score"] = _over_curve(np.fmax, trained.curves["val_score"])
    table["best_val_loss"] = _over_curve(np.fmin, trained.curves["val_loss"])
    return table


def _over_curve(better: np.ufunc, curve: np.ndarray) -> np.ndarray:
    """The best value along each cell's curve, NaN where it never was evaluated."""
    best: np.ndarray = better.reduce(curve, axis=1)
    return best
