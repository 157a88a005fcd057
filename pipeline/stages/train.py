"""Train all learning rates and seeds of one variant and batch size.

    python -m pipeline.stages.train VARIANT BATCH_SIZE

Writes runs/VARIANT-BATCH_SIZE/: history.parquet, lanes.parquet, weights.safetensors.
"""

import sys

from pipeline.errors import InputError, command
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.params.protocol import FULL, BatchSize
from pipeline.training import budget, dataset
from pipeline.training.device import device
from pipeline.workspace import durations, files


def asked_for(argv: list[str], params: Params) -> tuple[str, BatchSize]:
    """The variant and batch size on the command line.

    Raises InputError for a pair that is not in the grid.
    """
    if len(argv) != 2:
        raise InputError("usage: python -m pipeline.stages.train VARIANT BATCH_SIZE")
    variant, text = argv
    batch_size = text if text == FULL or not text.isdigit() else int(text)
    if (variant, batch_size) not in list(params.packs()):
        raise InputError(f"train: {variant} {text} is not in the grid of {files.PARAMS}")
    return variant, batch_size


@command
def main() -> None:
    """Read data/processed, train, write the run's folder."""
    params = load_params(files.PARAMS)
    variant, batch_size = asked_for(sys.argv[1:], params)
    scaling = params.settings(variant).scaling
    data = dataset.load(files.PROCESSED, scaling, device(params.impl.device))
    cells = params.cells(variant, batch_size, budget.resolve(batch_size, len(data.train)))
    pack = trainings.make_pack(params, variant, batch_size, cells, data)
    label = f"train {variant} {batch_size}"
    store = trainings.checkpoints(label, params)
    trained = trainings.train(pack, data, params, store, label)
    pack, trained = trainings.extended(params, pack, trained, store, data, label)
    folder = files.run_folder(variant, batch_size)
    files.write_tensors(folder / "weights.safetensors", trained.weights)
    files.write_parquet(folder / "history.parquet", trainings.history(pack, trained))
    files.write_parquet(folder / "lanes.parquet", trainings.cell_table(pack, trained))
    store.clear()
    durations.record(folder / "lanes.parquet")


if __name__ == "__main__":
    main()
