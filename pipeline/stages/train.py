"""Train all learning rates and seeds of one variant and batch size.

    python -m pipeline.stages.train VARIANT BATCH_SIZE

Where there is a race, only as far as they may still matter, and the rates near what the pilot's
fastest rate makes likely (``pipeline/race``).
Writes runs/VARIANT-BATCH_SIZE/: history.parquet, lanes.parquet, weights.safetensors.
"""

import sys
from pathlib import Path

from pipeline import outlook
from pipeline.errors import command
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.race import bar as bars
from pipeline.race import rounds
from pipeline.race.bar import Bar
from pipeline.race.rounds import Race
from pipeline.training import budget, dataset
from pipeline.training.device import device
from pipeline.training.pack import Pack
from pipeline.workspace import durations, files, noted


def before(params: Params, variant: str) -> tuple[Bar | None, dict[str, int]]:
    """What a variant's pilot reached, None where there is no race, and how many steps batch sizes
    may train, those that are limited."""
    if not params.waves.variant:
        return None, {}
    return bars.read(files.PILOTS / variant / "bar.json")


def raced(params: Params, pack: Pack, variant: str) -> tuple[Pack, Bar | None]:
    """The pack with the rates to begin with, to stop where it must, and the first variant's bar to
    race to."""
    (first, _), (own, steps) = before(params, params.grid.variant[0]), before(params, variant)
    if first and own:
        pack = rounds.near(pack, own, params.grid.extensions)
    if str(pack.batch_size) in steps:
        pack = pack.stopped(steps[str(pack.batch_size)])
    return pack, first


def pilot_run(params: Params, pack: Pack, variant: str) -> Path | None:
    """The folder of this pack's run where it was trained before the race."""
    folder = files.pilot_folder(variant, pack.batch_size)
    return folder if params.waves.variant and folder.is_dir() else None


@command
def main() -> None:
    """Read data/processed, train, write the run's folder."""
    params = load_params(files.PARAMS)
    variant, batch_size = params.pack_named(sys.argv[1:])
    noted.check(params, variant)
    scaling = params.settings(variant).scaling
    data = dataset.load(files.PROCESSED, scaling, device(params.impl.device_here))
    cells = params.cells(variant, batch_size, budget.resolve(batch_size, len(data.train)))
    pack = trainings.make_pack(params, variant, batch_size, cells, data)
    run = files.run_folder(variant, batch_size)
    pilot = pilot_run(params, pack, variant)
    if pilot:
        for name in trainings.RUN_FILES:
            files.write_bytes(run / name, (pilot / name).read_bytes())
        print(f"train {variant} {batch_size}: was trained before the race", file=sys.stderr)
        return
    label = f"train {variant} {batch_size}"
    store = trainings.checkpoints(label, params)
    pack, bar = raced(params, pack, variant)
    if bar:
        pack, trained = Race(params, bar, data, store, label).run(pack)
    else:
        pack, trained = trainings.train_whole(params, pack, store, data, label)
    trainings.write(run, pack, trained)
    store.clear()
    durations.record(run / "lanes.parquet")
    if bar is None:  # what a race will save nobody knows
        print(f"train: {outlook.told(params)}", file=sys.stderr)


if __name__ == "__main__":
    main()
