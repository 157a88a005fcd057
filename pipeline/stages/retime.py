"""The seconds per step of the grid's batch sizes once more, after all training.

A machine that was slow for some minutes, or a clock that other work fooled, shows by two passes
that do not agree. Writes results/retimed.csv, which may differ between two runs like
results/throughput.csv.
"""

from collections.abc import Callable

import pandas as pd

from pipeline.errors import command
from pipeline.params.load import load_params
from pipeline.speed import blocks, single, table
from pipeline.training import dataset
from pipeline.training.device import device
from pipeline.workspace import durations, files
from pipeline.workspace.progress import progress


@command
def main() -> None:
    """Read data/processed and results/throughput.csv, measure, write results/retimed.csv."""
    params = load_params(files.PARAMS)
    where, how = device(params.impl.device), params.throughput
    settings = {variant: params.settings(variant) for variant in params.grid.variant}
    whose = table.representatives(settings)
    first = pd.read_csv(files.RESULTS / "throughput.csv")
    steps: dict[tuple[str, int], Callable[[], None]] = {}
    threads: dict[tuple[str, int], int] = {}
    for name in dict.fromkeys(whose.values()):
        data = dataset.load(files.PROCESSED, settings[name].scaling, where)
        training = single.Training(settings[name], data)
        for row in first[first["in_grid"] & first["variant"].eq(name)].itertuples():
            steps[name, row.batch_size] = training.stepper(row.batch_size, row.micro_batches)
            threads[name, row.batch_size] = row.threads
    with progress("retime", len(steps) * how.blocks, "block") as on_block:
        timings = blocks.measure(steps, threads, how, where, params.seed, on_block, steps)
    written = files.RESULTS / "retimed.csv"
    files.write_csv(written, table.retimed(whose, timings))
    durations.record(written)


if __name__ == "__main__":
    main()
