"""Run the range tests of learning-rate finders at every batch size of the first variant.

Writes results/range_tests.csv.
"""

import pandas as pd

from pipeline.errors import command
from pipeline.finder.range_tests import TESTS, smoothed_losses
from pipeline.params.load import load_params
from pipeline.training import budget, dataset
from pipeline.training.device import device, one_thread
from pipeline.workspace import durations, files
from pipeline.workspace.progress import progress


@command
def main() -> None:
    """Read data/processed, train as finders do, write every smoothed loss with its rate."""
    params = load_params(files.PARAMS)
    variant = params.grid.variant[0]
    settings = params.settings(variant)
    data = dataset.load(files.PROCESSED, settings.scaling, device(params.impl.device))
    runs = [
        (test, budget.resolve(size, len(data.train)), seed)
        for test in TESTS
        for size in params.grid.batch_size
        for seed in params.screen_seeds()
    ]
    tables = []
    with one_thread(), progress("find_rates", len(runs), "test") as on_done:
        for test, size, seed in runs:
            losses = smoothed_losses(settings, data, size, seed, test.rates)
            table = pd.DataFrame({"lr": test.rates[: len(losses)], "loss": losses})
            keys = {"library": test.library, "variant": variant, "batch_size": size, "seed": seed}
            tables.append(table.assign(**keys)[[*keys, "lr", "loss"]])
            on_done(1)
    written = files.RESULTS / "range_tests.csv"
    files.write_csv(written, pd.concat(tables, ignore_index=True))
    durations.record(written)


if __name__ == "__main__":
    main()
