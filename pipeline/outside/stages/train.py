"""All learning rates and seeds of one variant and batch size, trained by another program.

    python -m pipeline.outside.stages.train VARIANT BATCH_SIZE

Writes runs/VARIANT-BATCH_SIZE/: history.parquet, lanes.parquet, failed.csv.
"""

import sys

from pipeline.errors import command
from pipeline.outside import trainer
from pipeline.params.load import load_params
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Call the program, or look its runs up, and write the run's folder."""
    params = load_params(files.PARAMS)
    variant, batch_size = params.pack_named(sys.argv[1:])
    told = trainer.of(params)
    found = told.screened(variant, batch_size)
    folder = files.run_folder(variant, batch_size)
    files.write_parquet(folder / "history.parquet", found.history)
    files.write_parquet(folder / "lanes.parquet", found.lanes)
    files.write_csv(folder / "failed.csv", found.failed)
    told.clear()
    durations.record(folder / "lanes.parquet")


if __name__ == "__main__":
    main()
