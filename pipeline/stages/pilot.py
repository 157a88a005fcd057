"""Train a variant's pilot, and say what it reached, for the other batch sizes to be raced to.

    python -m pipeline.stages.pilot VARIANT

The pilot is the batch size whose training takes the fewest examples. Writes
results/pilots/VARIANT/: bar.json and, in folders of their own, the runs of the pilot and, of the
first variant, of the largest batch size, which ``train`` takes over. Where there is no race, for
``grid.race`` is auto and whole trainings will not take long, there is nothing in bar.json and no
run; where the pilot only diverges, a run and the steps that others may train, if they are limited.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipeline import forecast
from pipeline.errors import command, require
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.params.protocol import BatchSize
from pipeline.race import pilot
from pipeline.race.bar import Bar
from pipeline.race.pilot import Tables
from pipeline.race.rounds import Race, near
from pipeline.selection.targets import Validation
from pipeline.training import budget, dataset
from pipeline.training.dataset import Dataset
from pipeline.training.device import device
from pipeline.training.pack import Pack
from pipeline.workspace import durations, files, noted


@dataclass(frozen=True)
class Pilots:
    """The trainings that come before the race of one variant.

    steps: how many steps each batch size may train, as text.
    """

    params: Params
    variant: str
    data: Dataset
    steps: Mapping[str, int]

    def bar(self) -> Bar | None:
        """Train them; what there is to race to."""
        data = self.data
        validation, examples = Validation(data.task, data.val.y.numel()), len(data.train)
        return pilot.bar(self.params, self.variant, examples, validation, self.train)

    def train(self, size: BatchSize, bar: Bar | None) -> Tables:
        """Train a batch size whole, or raced to a bar, and write the run; its lanes and history."""
        params, data, pack = self.params, self.data, self.pack(size)
        label = f"pilot {self.variant} {pack.batch_size}"
        store = trainings.checkpoints(label, params)
        if bar is None:
            pack, outcome = trainings.train_whole(params, pack, store, data, label)
        else:
            pack, outcome = Race(params, bar, data, store, label).run(
                near(pack, bar, params.grid.extensions)
            )
        run = files.pilot_folder(self.variant, pack.batch_size)
        trainings.write(run, pack, outcome)
        store.clear()
        durations.record(run / "lanes.parquet")  # that of the train stage, too
        return trainings.cell_table(pack, outcome), trainings.history(pack, outcome)

    def pack(self, size: BatchSize) -> Pack:
        """All cells of a batch size, to train as far as it may."""
        cells = self.params.cells(self.variant, size, budget.resolve(size, len(self.data.train)))
        pack = trainings.make_pack(self.params, self.variant, size, cells, self.data)
        asked = self.steps.get(str(pack.batch_size))
        return pack if asked is None else pack.stopped(asked)


@command
def main() -> None:
    """Read the data and the timings, train if there is a race, write the bar."""
    params = load_params(files.PARAMS)
    variant = " ".join(sys.argv[1:])
    require(variant in params.grid.variant, "VARIANT", variant, "is not in the grid")
    noted.check(params, variant)
    examples = json.loads((files.PROCESSED / "summary.json").read_text())["examples"]["train"]
    timed = pd.read_csv(files.RESULTS / "throughput.csv")
    made = forecast.of_timings(params, timed[timed["in_grid"]], examples)

    def race(steps: Mapping[str, int]) -> Bar | None:
        scaling = params.settings(variant).scaling
        data = dataset.load(files.PROCESSED, scaling, device(params.impl.device_here))
        return Pilots(params, variant, data, steps).bar()

    written = pilot.outcome(params, variant, made, race)
    files.write_json(files.PILOTS / variant / "bar.json", written)


if __name__ == "__main__":
    main()
