"""Choose the winning rates of every batch size and train them again on fresh seeds.

Every interval of the report comes from these seeds alone: whoever wins a grid was also lucky.
Writes results/: selection.csv, confirm.parquet, confirm_lanes.parquet, confirm.safetensors, and
in snapshots.csv and snapshots.safetensors the weights along the way that ``evaluate`` looks at.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline import params
from pipeline.analysis import budgets, selection, targets
from pipeline.data import tensors
from pipeline.data.tensors import Dataset
from pipeline.engine import budget
from pipeline.engine.pack import Pack
from pipeline.errors import InputError, command
from pipeline.measure import machine
from pipeline.params import BatchSize, Cell, Params
from pipeline.stages import files, moments, timing, trainings


def select(config: Params, lanes: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The winners of the screening, with the target they were chosen for."""
    metric, target = config.target.metric, config.target.value
    if target == "auto":
        first = lanes[lanes["variant"] == config.grid.variant[0]]
        target = targets.auto_target(first, metric)
    rates = selection.by_rate(lanes, history, metric, target)
    chosen = selection.winners(rates)
    if not (chosen["criterion"] == "fastest").any():
        best = targets.tuned_bests(lanes, metric)["best"].abs()
        rule = f"is reached by no rate at most seeds; the best {metric} is {best.max():.4g}"
        raise InputError(f"target.value: {target!r} {rule}")
    shares = budgets.compare(history)
    if len(shares):
        chosen = pd.concat([chosen, selection.under_budgets(rates, shares)], ignore_index=True)
    return chosen.assign(metric=metric, target=target)


def confirm_cells(
    config: Params, chosen: pd.DataFrame, variant: str, batch_size: BatchSize
) -> list[Cell]:
    """The winners' rates of one pack crossed with the fresh seeds."""
    return [
        Cell(variant, batch_size, lr, seed, "confirm")
        for lr in sorted(set(chosen["lr"]))
        for seed in config.confirm_seeds()
    ]


@dataclass(frozen=True)
class Job:
    """A pack to train on its data, and the solutions to keep along the way."""

    pack: Pack
    data: Dataset
    kept: pd.DataFrame


def jobs(
    config: Params, chosen: pd.DataFrame, limits: dict[str, tuple[str, float]]
) -> Iterator[Job]:
    """The packs to train; a batch size without a winner has none."""
    where = machine.device(config.impl.device)
    load = functools.cache(lambda scaling: tensors.load(files.PROCESSED, scaling, where))
    for variant, size in config.packs():
        data = load(config.settings(variant).scaling)
        resolved = budget.resolve(size, len(data.train))
        own = chosen[(chosen["variant"] == variant) & (chosen["batch_size"] == resolved)]
        if len(own):
            cells = confirm_cells(config, own, variant, size)
            pack = trainings.make_pack(config, variant, size, cells, data)
            kept = moments.wanted(pack, own, limits)
            yield Job(replace(pack, snapshots=tuple(sorted(set(kept["step"])))), data, kept)


@command
def main() -> None:
    """Read runs/, select, train the winners, write results/."""
    config = params.load(files.PARAMS)
    lanes, history = files.runs(config, "lanes.parquet"), files.runs(config, "history.parquet")
    chosen = select(config, lanes, history)
    confirmed: dict[str, list[pd.DataFrame]] = {"history": [], "lanes": [], "snapshots": []}
    weights: dict[str, np.ndarray] = {}
    snapshots: dict[str, np.ndarray] = {}
    store = trainings.checkpoints("confirm")
    for job in jobs(config, chosen, budgets.common(history)):
        name = f"{job.pack.cells[0].variant}-{job.pack.batch_size}"
        trained = trainings.train(job.pack, job.data, config, store, f"confirm {name}")
        kept = moments.survived(job.kept, trained)
        keys = trainings.keys(job.pack).drop(columns="phase").iloc[kept["cell"]]
        confirmed["history"].append(trainings.history(job.pack, trained))
        confirmed["lanes"].append(trainings.lanes(job.pack, trained))
        confirmed["snapshots"].append(
            keys.reset_index(drop=True).join(kept[["moment", "step"]].reset_index(drop=True))
        )
        weights |= {f"{name}/{key}": array for key, array in trained.weights.items()}
        if len(kept):
            arrays = moments.kept(kept, trained)
            snapshots |= {f"{name}/{key}": array for key, array in arrays.items()}
    files.write_csv(files.RESULTS / "selection.csv", chosen)
    files.write_csv(files.RESULTS / "snapshots.csv", pd.concat(confirmed["snapshots"]))
    files.write_tensors(files.RESULTS / "snapshots.safetensors", snapshots)
    files.write_tensors(files.RESULTS / "confirm.safetensors", weights)
    files.write_parquet(files.RESULTS / "confirm_lanes.parquet", pd.concat(confirmed["lanes"]))
    files.write_parquet(files.RESULTS / "confirm.parquet", pd.concat(confirmed["history"]))
    store.clear()
    timing.record(files.RESULTS / "selection.csv")


if __name__ == "__main__":
    main()
