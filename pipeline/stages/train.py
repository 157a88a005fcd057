"""Train the pack of one variant and batch size: all its learning rates and seeds.

    python -m pipeline.stages.train VARIANT BATCH_SIZE

Writes runs/VARIANT-BATCH_SIZE/: history.parquet, lanes.parquet, weights.safetensors.
"""

import sys

from pipeline import params
from pipeline.data import tensors
from pipeline.errors import InputError, command
from pipeline.measure import machine
from pipeline.params import FULL, BatchSize, Params
from pipeline.stages import files, trainings


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


@command
def main() -> None:
    """Read data/processed, train, write the run's folder."""
    config = params.load(files.PARAMS)
    variant, batch_size = asked_for(sys.argv[1:], config)
    where = machine.device(config.impl.device)
    data = tensors.load(files.PROCESSED, config.settings(variant).scaling, where)
    cells = config.cells(variant, batch_size)
    pack = trainings.make_pack(config, variant, batch_size, cells, data)
    label = f"train {variant} {batch_size}"
    store = trainings.checkpoints(label)
    trained = trainings.train(pack, data, config, store, label)
    folder = files.run_folder(variant, batch_size)
    files.write_tensors(folder / "weights.safetensors", trained.weights)
    files.write_parquet(folder / "history.parquet", trainings.history(pack, trained))
    files.write_parquet(folder / "lanes.parquet", trainings.lanes(pack, trained))
    store.clear()


if __name__ == "__main__":
    main()
