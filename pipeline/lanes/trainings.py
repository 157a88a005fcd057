"""The door of the lanes: train packs for a stage, and turn what comes out into tables."""

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from pipeline.errors import InputError
from pipeline.executors.choice import executor
from pipeline.executors.executor import never
from pipeline.executors.processes import ProcessDiedError
from pipeline.lanes import elsewhere, workers
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.job import Job
from pipeline.lanes.plan import Plan
from pipeline.params.load import Params
from pipeline.params.protocol import BatchSize
from pipeline.params.settings import Cell
from pipeline.selection import edges, targets
from pipeline.selection.keys import TWO_FASTEST
from pipeline.training import budget, fit
from pipeline.training.dataset import Dataset
from pipeline.training.pack import CURVES, FINALS, Pack, Trained, joined
from pipeline.workspace import files
from pipeline.workspace.progress import progress

LOCK_SECONDS = 20
DIGESTED_BYTES = 1 << 24
PACKAGE = Path(__file__).resolve().parent.parent
RUN_FILES = ("history.parquet", "lanes.parquet", "weights.safetensors")
CODE = ("models", "training", "lanes")
"""The folders whose code a checkpoint depends on."""


def make_pack(
    params: Params, variant: str, batch_size: BatchSize, cells: Sequence[Cell], data: Dataset
) -> Pack:
    """The pack of these cells on these data.

    Raises InputError for a batch size beyond the training set, and for settings that do not fit the
    data or the device.
    """
    examples = len(data.train)
    resolved = budget.resolve(batch_size, examples)
    fit.check(params.settings(variant), data)
    return Pack(params.settings(variant).at(resolved), resolved, examples, tuple(cells))


def fresh_pack(
    params: Params,
    variant: str,
    batch_size: BatchSize,
    chosen: pd.DataFrame,
    seeds: Iterable[int],
    phase: str,
    data: Dataset,
) -> Pack:
    """The pack of chosen rates on fresh seeds, evaluated densely where the two fastest of them are
    expected to reach the target.

    chosen: rows of the selection.
    """
    cells = [
        Cell(variant, batch_size, lr, seed, phase)
        for lr in sorted(set(chosen["lr"]))
        for seed in seeds
    ]
    pack = make_pack(params, variant, batch_size, cells, data)
    expected = chosen.loc[chosen["criterion"].isin(TWO_FASTEST), "response_steps"]
    return replace(pack, dense=targets.evaluations_near(expected.tolist(), pack.steps))


def train(
    pack: Pack,
    data: Dataset,
    params: Params,
    store: Store,
    label: str,
    plan: Plan | None = None,
    is_over: Callable[[], bool] = never,
) -> Trained:
    """Train a pack by its plan, which is made where there is none yet, with progress and
    checkpoints.

    is_over: whether to give up, which only clusters ask.

    The caller clears the checkpoints once it has written the outcome.

    Raises InputError when another process is training the same pack, or a worker was killed.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(files.COMPILED.absolute()))
    plan = plan or planned(params, pack, data)
    cluster = executor(params)
    where = f", on {params.impl.executor}" if cluster else ""
    print(f"{label}: {described(pack, plan)}{where}", file=sys.stderr)
    try:
        to_do = (pack.end - pack.first_step) * len(pack.cells)
        with lock(label), progress(label, to_do) as on_steps:
            job = Job(data, plan, on_steps, store)
            if cluster:
                return elsewhere.spread(pack, job, cluster, params, label, is_over)
            return workers.spread(pack, job)
    except ProcessDiedError as error:
        raise InputError(f"{label}: {error}; run again to go on from its checkpoint") from None


def train_each(
    works: Sequence[tuple[str, Pack, Dataset]], params: Params, store: Store
) -> Iterator[Trained]:
    """Train packs, each by its label: one after the other, on a cluster all at once.

    Raises as ``train``.
    """
    if executor(params) is None:
        for label, pack, data in works:
            yield train(pack, data, params, store, label)
        return
    plans = [planned(params, pack, data) for _, pack, data in works]
    is_over = threading.Event()
    with ThreadPoolExecutor(len(works) or 1) as pool:
        futures = [
            pool.submit(train, pack, data, params, store, label, plan, is_over.is_set)
            for (label, pack, data), plan in zip(works, plans, strict=True)
        ]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = [future for future in done if future.exception()]
            for future in failed or futures:
                future.result()
        except BaseException:
            is_over.set()  # the others end too
            raise
    yield from (future.result() for future in futures)


def planned(params: Params, pack: Pack, data: Dataset) -> Plan:
    """How the pack is trained where it is to be."""
    cluster = executor(params)
    if cluster:
        return elsewhere.planned(pack, data, params, cluster)
    return workers.planned(pack, data, params.impl)


BestRates = Callable[[Collection[float], pd.DataFrame, pd.DataFrame], Collection[float | None]]
"""Shares of the budget, lanes and history of a pack to its best rates, None for none."""


def extended(
    params: Params,
    pack: Pack,
    trained: Trained,
    best_rates: BestRates,
    train_more: Callable[[Pack, Pack, Trained], Trained],
) -> tuple[Pack, Trained]:
    """Train further rates until the best ones lie inside the grid and away from divergence,
    ``grid.extensions`` times at most, and then those between the best rate and its neighbours; the
    pack and its outcome with all of them. None are added where ``grid.extensions`` is 0.

    train_more: trains the cells of its first pack, beside what was trained before.
    """
    for adding in edges.additions(params.grid.extensions):
        for _ in range(adding.times):
            lanes = cell_table(pack, trained)
            best = best_rates(adding.shares, lanes, history(pack, trained))
            rates = [edges.of_grid(rate, pack.settings.lr) for rate in adding.rule(lanes, best)]
            if not rates:
                break
            first = pack.cells[0]
            cells = tuple(
                Cell(first.variant, first.batch_size, lr, seed, adding.phase)
                for lr in rates
                for seed in params.screen_seeds()
            )
            more = train_more(replace(pack, cells=cells), pack, trained)
            pack, trained = replace(pack, cells=pack.cells + cells), joined([trained, more])
    return pack, trained


def train_whole(
    params: Params, pack: Pack, store: Store, data: Dataset, label: str, plan: Plan | None = None
) -> tuple[Pack, Trained]:
    """Train the pack and the rates that are added to it to their end, all by one plan, which is
    made where there is none yet; what was begun with is gone on with."""
    plan = plan or planned(params, pack, data)
    trained = train(pack, data, params, store, label, plan)
    pack = replace(pack, begun=None)

    def best_rates(
        shares: Collection[float], lanes: pd.DataFrame, history: pd.DataFrame
    ) -> Collection[float | None]:
        return edges.best_rates(lanes, history, pack.end, shares)

    def train_more(more: Pack, _pack: Pack, _trained: Trained) -> Trained:
        return train(more, data, params, store, f"{label}, added rates", plan)

    return extended(params, pack, trained, best_rates, train_more)


def write(folder: Path, pack: Pack, trained: Trained) -> None:
    """Write a pack's run."""
    files.write_tensors(folder / "weights.safetensors", trained.weights)
    files.write_parquet(folder / "history.parquet", history(pack, trained))
    files.write_parquet(folder / "lanes.parquet", cell_table(pack, trained))


def described(pack: Pack, plan: Plan) -> str:
    """The plan in one line."""
    words = [f"{len(pack.cells)} cells x {pack.end - pack.first_step:,} steps"]
    words += [f"engine {plan.engine} ({plan.reason})"]
    processes = min(plan.workers, len(pack.cells))
    if processes > 1:
        words.append(f"{processes} processes")
    if plan.engine != "loop" and plan.lanes_at_once == 1:
        words.append("each cell alone")
    elif plan.engine != "loop" and plan.lanes_at_once * plan.workers < len(pack.cells):
        words.append(f"{plan.lanes_at_once} lanes at once")
    if plan.micro_batches > 1:
        words.append(f"{plan.micro_batches} micro-batches, as memory allows")
    return ", ".join(words)


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


def checkpoints(label: str, params: Params) -> Store:
    """The checkpoints of one stage's run, named by it, by the processed data and by the code, a
    user's own networks included."""
    digest = hashlib.sha256()
    code = [path for name in CODE for path in sorted((PACKAGE / name).glob("*.py"))]
    for path in [*sorted(files.PROCESSED.iterdir()), *code, *params.own_networks]:
        digest.update(path.name.encode())
        with path.open("rb") as file:  # which may be larger than memory
            while part := file.read(DIGESTED_BYTES):
                digest.update(part)
    inputs = f"{label.replace(' ', '-')}-{digest.hexdigest()[:16]}"
    return Store(files.CHECKPOINTS, inputs, params.impl.checkpoint_seconds)


def keys(pack: Pack) -> pd.DataFrame:
    """One row for each cell: variant, batch_size (a number), lr, seed, phase."""
    return pd.DataFrame([asdict(cell) | {"batch_size": pack.batch_size} for cell in pack.cells])


def history(pack: Pack, trained: Trained) -> pd.DataFrame:
    """history.parquet: one row for each cell and evaluation, none from a cell's divergence on."""
    cells = keys(pack)
    points = len(trained.steps)
    table = cells.loc[cells.index.repeat(points)].reset_index(drop=True)
    table["step"] = np.tile(np.array(trained.steps, dtype=np.int64), len(cells))
    table["epoch"] = np.tile([pack.epochs_seen(step) for step in trained.steps], len(cells))
    table["examples"] = np.tile([pack.examples_seen(step) for step in trained.steps], len(cells))
    for name in CURVES:
        table[name] = trained.curves[name].reshape(-1)
    return table[table["val_loss"].notna()].reset_index(drop=True)


def cell_table(pack: Pack, trained: Trained) -> pd.DataFrame:
    """lanes.parquet: one row for each cell with its status, the steps it took, where it diverged,
    its best and final losses and scores; the final ones are NaN where it was stopped."""
    table = keys(pack)
    diverged = trained.diverged_step > 0
    ended = np.where(trained.until < pack.steps, "stopped", "finished")
    table["status"] = np.where(diverged, "diverged", ended)
    table["steps"] = np.where(diverged, trained.diverged_step, trained.until)
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
