"""Seconds per step of a program, by short calls of it, or by what runs say of theirs.

Writes results/throughput.csv, and results/alignment.csv and data_parallel.csv, both empty: of other
sizes and of shared batches nothing is known.
"""

import sys

from pipeline import forecast
from pipeline.errors import command
from pipeline.outside import timing, trainer, unmeasured
from pipeline.params.load import load_params
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Time, write."""
    params = load_params(files.PARAMS)
    told = trainer.of(params)
    timed = told.timed()
    if not timed:
        print("throughput: the runs do not tell their seconds", file=sys.stderr)
    is_called = params.trainer.name == "command"
    table = timing.throughput(told.packs(), timed, is_called)
    if is_called:
        made = forecast.of_timings(params, table, params.trainer.train_examples or 1)
        words = forecast.words(made, forecast.is_raced(params, made))
        print(f"throughput: {words}", file=sys.stderr)
        if params.trainer.at_once == "auto" and params.impl.executor == "local":
            rule = "as cores and memory allow (trainer.at_once)"
            count = int(table["calls_at_once"].iloc[0])
            print(f"throughput: {count} at a time, {rule}", file=sys.stderr)
    files.write_csv(files.RESULTS / "throughput.csv", table)
    unmeasured.write("alignment", "data_parallel")
    durations.record(files.RESULTS / "throughput.csv")


if __name__ == "__main__":
    main()
