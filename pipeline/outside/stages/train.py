"""All learning rates and seeds of one variant and batch size, trained by another program.

    python -m pipeline.outside.stages.train VARIANT BATCH_SIZE

Writes runs/VARIANT-BATCH_SIZE/: history.parquet, lanes.parquet, failed.csv.
"""

import sys

from pipeline.errors import command
from pipeline.outside import trainer, trainings
from pipeline.params.load import load_params
from pipeline.workspace import durations, files, noted


@command
def main() -> None:
    """Call the program, or look its runs up, and write the run's folder."""
    params = load_params(files.PARAMS)
    variant, batch_size = params.pack_named(sys.argv[1:])
    noted.check(params, variant)
    told, run = trainer.of(params), files.run_folder(variant, batch_size)
    pilot = told.pilot_run(variant, batch_size)
    if pilot:
        for name in trainings.RUN_FILES:
            files.write_bytes(run / name, (pilot / name).read_bytes())
        print(f"train {variant} {batch_size}: was trained before the race", file=sys.stderr)
        return
    trainings.write(run, told.screened(variant, batch_size))
    told.clear()
    durations.record(run / "lanes.parquet")


if __name__ == "__main__":
    main()
