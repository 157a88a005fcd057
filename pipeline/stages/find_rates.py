"""Run the range tests of learning-rate finders at every batch size of the first variant.

Writes results/range_tests.csv.
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from pipeline.errors import command
from pipeline.executors.processes import Job, OnDone, dealt
from pipeline.finder.range_tests import TESTS, RangeTest, smoothed_losses
from pipeline.params.load import load_params
from pipeline.params.settings import Settings
from pipeline.training import budget, dataset, fit
from pipeline.training.dataset import Dataset
from pipeline.training.device import device, on_one_thread
from pipeline.workspace import durations, files
from pipeline.workspace.progress import progress

Run = tuple[RangeTest, int, int]
"""A range test at a batch size from a seed."""


def tables(
    runs: Sequence[Run], settings: Settings, data: Dataset, on_done: OnDone
) -> list[pd.DataFrame]:
    """Of each run every smoothed loss with its rate."""
    found = []
    for test, size, seed in runs:
        losses = smoothed_losses(settings, data, size, seed, test.rates)
        table = pd.DataFrame({"lr": test.rates[: len(losses)], "loss": losses})
        keys = {"library": test.library, "batch_size": size, "seed": seed}
        found.append(table.assign(**keys)[[*keys, "lr", "loss"]])
        on_done(1)
    return found


def spread(
    runs: Sequence[Run], settings: Settings, data: Dataset, on_done: OnDone
) -> list[pd.DataFrame]:
    """The tables of all runs in order, on a CPU from one process for every core."""
    if data.train.x.device.type != "cpu":
        return tables(runs, settings, data, on_done)

    def job_of(share: Sequence[Run]) -> Job:
        return on_one_thread(partial(tables, share, settings, data))

    return dealt(runs, job_of, on_done)


@command
def main() -> None:
    """Read data/processed, train as finders do, write every smoothed loss with its rate."""
    params = load_params(files.PARAMS)
    variant = params.grid.variant[0]
    settings = params.settings(variant)
    data = dataset.load(files.PROCESSED, settings.scaling, device(params.impl.device))
    fit.check(settings, data)
    runs = [
        (test, budget.resolve(size, len(data.train)), seed)
        for test in TESTS
        for size in params.grid.batch_size
        for seed in params.screen_seeds()
    ]
    with progress("find_rates", len(runs), "test") as on_done:
        found = spread(runs, settings, data, on_done)
    table = pd.concat(found, ignore_index=True)
    table.insert(1, "variant", variant)
    written = files.RESULTS / "range_tests.csv"
    files.write_csv(written, table)
    durations.record(written)


if __name__ == "__main__":
    main()
