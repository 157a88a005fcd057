"""Choose the winning rates of every batch size and train them again on fresh seeds.

Every interval of the report comes from these seeds alone: whoever wins a grid was also lucky.
Writes results/: selection.csv, confirm.parquet, confirm_lanes.parquet, confirm.safetensors.
"""

import numpy as np
import pandas as pd

from pipeline import params
from pipeline.analysis import selection, targets
from pipeline.data import tensors
from pipeline.data.tensors import Dataset
from pipeline.engine.pack import Pack
from pipeline.errors import InputError, command
from pipeline.measure import machine
from pipeline.params import BatchSize, Cell, Params
from pipeline.stages import files, trainings


def select(config: Params) -> pd.DataFrame:
    """The winners, with the target they were chosen for."""
    lanes, history = files.runs(config, "lanes.parquet"), files.runs(config, "history.parquet")
    metric, target = config.target.metric, config.target.value
    if target == "auto":
        target = targets.auto_target(lanes, metric)
    rates = selection.by_rate(lanes, history, metric, target)
    chosen = selection.winners(rates)
    if not (chosen["criterion"] == "fastest").any():
        best = targets.tuned_bests(lanes, metric)["best"].abs()
        rule = f"is reached by no rate at most seeds; the best {metric} is {best.max():.4g}"
        raise InputError(f"target.value: {target!r} {rule}")
    return chosen.assign(metric=metric, target=target)


def confirm_cells(
    config: Params, chosen: pd.DataFrame, variant: str, batch_size: BatchSize, resolved: int
) -> list[Cell]:
    """The winners' rates of one pack crossed with the fresh seeds."""
    own = chosen[(chosen["variant"] == variant) & (chosen["batch_size"] == resolved)]
    rates = sorted(set(own["lr"]))
    return [
        Cell(variant, batch_size, lr, seed, "confirm")
        for lr in rates
        for seed in config.confirm_seeds()
    ]


def packs(config: Params, chosen: pd.DataFrame, data: dict[str, Dataset]) -> list[Pack]:
    """The packs to train; a batch size without a winner has none."""
    made = []
    for variant, size in config.packs():
        inputs = data[config.settings(variant).scaling]
        resolved = trainings.make_pack(config, variant, size, [], inputs).batch_size
        cells = confirm_cells(config, chosen, variant, size, resolved)
        if cells:
            made.append(trainings.make_pack(config, variant, size, cells, inputs))
    return made


@command
def main() -> None:
    """Read runs/, select, train the winners, write results/."""
    config = params.load(files.PARAMS)
    chosen = select(config)
    where = machine.device(config.impl.device)
    scalings = {config.settings(variant).scaling for variant in config.grid.variant}
    data = {scaling: tensors.load(files.PROCESSED, scaling, where) for scaling in scalings}
    todo = packs(config, chosen, data)
    history, lanes = [], []
    weights: dict[str, np.ndarray] = {}
    store = trainings.checkpoints("confirm")
    for pack in todo:
        name = f"{pack.cells[0].variant}-{pack.batch_size}"
        inputs = data[pack.settings.scaling]
        trained = trainings.train(pack, inputs, config, store, f"confirm {name}")
        history.append(trainings.history(pack, trained))
        lanes.append(trainings.lanes(pack, trained))
        weights |= {f"{name}/{key}": array for key, array in trained.weights.items()}
    files.write_csv(files.RESULTS / "selection.csv", chosen)
    files.write_tensors(files.RESULTS / "confirm.safetensors", weights)
    files.write_parquet(files.RESULTS / "confirm_lanes.parquet", pd.concat(lanes))
    files.write_parquet(files.RESULTS / "confirm.parquet", pd.concat(history))
    store.clear()


if __name__ == "__main__":
    main()
