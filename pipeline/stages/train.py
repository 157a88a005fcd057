"""Train the pack of one variant and batch size: all its learning rates and seeds.

Where a best rate lies at an end of the grid or beside a rate that diverges, rates beyond the end
or between the two are added (phase ``extend``).

    python -m pipeline.stages.train VARIANT BATCH_SIZE

Writes runs/VARIANT-BATCH_SIZE/: history.parquet, lanes.parquet, weights.safetensors.
"""

import sys
from dataclasses import replace

from pipeline import params
from pipeline.analysis import edges
from pipeline.data import tensors
from pipeline.data.tensors import Dataset
from pipeline.engine import budget
from pipeline.engine.pack import Pack, Trained, joined
from pipeline.engine.run import Store
from pipeline.errors import InputError, command
from pipeline.measure import machine
from pipeline.params import FULL, BatchSize, Cell, Params
from pipeline.stages import files, timing, trainings


def asked_for(argv: list[str], config: Params) -> tuple[str, BatchSize]:
    """The variant and batch size on the command line.

    Raises InputError for a pair that is not in the grid.
    """
    if len(argv) != 2:
        raise InputError("usage: python -m pipeline.stages.train VARIANT BATCH_SIZE")
    variant, text = argv
    batch_size = text if text == FULL or not text.isdigit() else int(text)
    if (variant, batch_size) not in list(config.packs()):
        raise InputError(f"train: {variant} {text} is not in the grid of {files.PARAMS}")
    return variant, batch_size


def extended(
    config: Params, pack: Pack, trained: Trained, store: Store, data: Dataset, label: str
) -> tuple[Pack, Trained]:
    """Add rates until the best ones lie inside the grid and away from divergence,
    ``grid.extensions`` times at most."""
    for _ in range(config.grid.extensions):
        lanes, history = trainings.lanes(pack, trained), trainings.history(pack, trained)
        rates = edges.rates_to_add(lanes, history, pack.steps)
        if not rates:
            break
        first = pack.cells[0]
        cells = tuple(
            Cell(first.variant, first.batch_size, lr, seed, "extend")
            for lr in rates
            for seed in config.screen_seeds()
        )
        more = replace(pack, cells=cells)
        found = trainings.train(more, data, config, store, f"{label}, added rates")
        pack, trained = replace(pack, cells=pack.cells + cells), joined([trained, found])
    return pack, trained


@command
def main() -> None:
    """Read data/processed, train, write the run's folder."""
    config = params.load(files.PARAMS)
    variant, batch_size = asked_for(sys.argv[1:], config)
    where = machine.device(config.impl.device)
    data = tensors.load(files.PROCESSED, config.settings(variant).scaling, where)
    resolved = budget.resolve(batch_size, len(data.train))
    cells = config.cells(variant, batch_size, resolved)
    pack = trainings.make_pack(config, variant, batch_size, cells, data)
    label = f"train {variant} {batch_size}"
    store = trainings.checkpoints(label)
    trained = trainings.train(pack, data, config, store, label)
    pack, trained = extended(config, pack, trained, store, data, label)
    folder = files.run_folder(variant, batch_size)
    files.write_tensors(folder / "weights.safetensors", trained.weights)
    files.write_parquet(folder / "history.parquet", trainings.history(pack, trained))
    files.write_parquet(folder / "lanes.parquet", trainings.lanes(pack, trained))
    store.clear()
    timing.record(folder / "lanes.parquet")


if __name__ == "__main__":
    main()
