"""Train all learning rates and seeds of a variant's largest batch size, to which others are raced.

    python -m pipeline.stages.pilot VARIANT BATCH_SIZE

Writes runs/VARIANT-BATCH_SIZE/ like ``train``, which has the other batch sizes where there is a
race (``grid.race``), and all of them otherwise.
"""

import sys

from pipeline.errors import command
from pipeline.lanes import trainings
from pipeline.params.load import load_params
from pipeline.training import budget, dataset
from pipeline.training.device import device
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Read data/processed, train, write the run's folder."""
    params = load_params(files.PARAMS)
    variant, batch_size = params.pack_named(sys.argv[1:])
    data = dataset.load(
        files.PROCESSED, params.settings(variant).scaling, device(params.impl.device)
    )
    cells = params.cells(variant, batch_size, budget.resolve(batch_size, len(data.train)))
    pack = trainings.make_pack(params, variant, batch_size, cells, data)
    label = f"pilot {variant} {batch_size}"
    store = trainings.checkpoints(label, params)
    pack, trained = trainings.train_whole(params, pack, store, data, label)
    written = trainings.write(pack, trained)
    store.clear()
    durations.record(written)


if __name__ == "__main__":
    main()
