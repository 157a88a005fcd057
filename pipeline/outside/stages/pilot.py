"""Call the program for a variant's pilot, and say what it reached, as ``pipeline.stages.pilot``
does.

    python -m pipeline.outside.stages.pilot VARIANT

Writes results/pilots/VARIANT/: bar.json and the runs that ``train`` takes over.
"""

import sys
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline import forecast
from pipeline.errors import command, require
from pipeline.outside import trainings
from pipeline.outside.called import Called
from pipeline.params.load import load_params
from pipeline.params.protocol import BatchSize
from pipeline.race import pilot
from pipeline.race.bar import Bar
from pipeline.race.pilot import Tables
from pipeline.selection.targets import Validation
from pipeline.training import budget
from pipeline.workspace import durations, files, noted


@command
def main() -> None:
    """Read the timings, train if there is a race, write the bar."""
    params = load_params(files.PARAMS)
    variant = " ".join(sys.argv[1:])
    require(variant in params.grid.variant, "VARIANT", variant, "is not in the grid")
    noted.check(params, variant)
    told = Called.of(params)
    timed = pd.read_csv(files.RESULTS / "throughput.csv")
    made = forecast.of_timings(params, timed, told.examples)

    def race(steps: Mapping[str, int]) -> Bar | None:
        def train(asked: BatchSize, bar: Bar | None) -> Tables:
            size = budget.resolve(asked, told.examples)
            limit = steps.get(str(size), np.inf)
            found = told.raced(variant, size, bar, told.race(bar, limit))
            run = files.pilot_folder(variant, size)
            trainings.write(run, found)
            durations.record(run / "lanes.parquet")  # that of the train stage, too
            return found.lanes, found.history

        validation = Validation(trainings.TASK, params.trainer.val_examples)
        return pilot.bar(params, variant, told.examples, validation, train)

    written = pilot.outcome(params, variant, made, race)
    files.write_json(files.PILOTS / variant / "bar.json", written)
    told.clear()


if __name__ == "__main__":
    main()
