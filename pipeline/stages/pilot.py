"""Train a variant's pilot, and say what it reached, for the other batch sizes to be raced to.

    python -m pipeline.stages.pilot VARIANT

The pilot is the batch size whose training takes the fewest examples. Writes
results/pilots/VARIANT/: bar.json and the pilot's run, which ``train`` takes over; in bar.json
nothing, and no run, where there is no race: where ``grid.race`` is auto and whole trainings will
not take long. Where the pilot only diverges there is a run and no bar.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace

import pandas as pd

from pipeline import forecast
from pipeline.errors import command, require
from pipeline.forecast import Forecast
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.params.protocol import BatchSize
from pipeline.race import bar
from pipeline.race.bar import Bar
from pipeline.selection.targets import Validation
from pipeline.training import budget, dataset
from pipeline.training.dataset import Dataset
from pipeline.training.device import device
from pipeline.workspace import durations, files

RACE_SECONDS = 600.0
"""Trainings that will take longer are raced where nobody says whether to."""


def is_raced(params: Params, made: Forecast) -> bool:
    """Whether to race: as asked for, or by the forecast of whole trainings."""
    if params.grid.race is True:
        return True
    limit = params.limits.study_seconds
    return made.total > (RACE_SECONDS if limit is None else limit)


def may_take(params: Params, variant: str, made: Forecast) -> dict[str, int]:
    """The steps that the variant's batch sizes may train, where ``limits.study_seconds`` says."""
    if params.limits.study_seconds is None:
        return {}
    steps = made.steps_within(params.limits.study_seconds)
    return {str(size): count for (name, size), count in steps.items() if name == variant}


def trained(
    params: Params, variant: str, size: BatchSize, data: Dataset, steps: Mapping[str, int]
) -> Bar | None:
    """Train the pilot and write its run; what it reached, with the steps that others may train."""
    label = f"pilot {variant}"
    cells = params.cells(variant, size, budget.resolve(size, len(data.train)))
    pack = trainings.make_pack(params, variant, size, cells, data)
    if str(pack.batch_size) in steps:
        pack = pack.stopped(steps[str(pack.batch_size)])
    store = trainings.checkpoints(label, params)
    pack, outcome = trainings.train_whole(params, pack, store, data, label)
    trainings.write(files.PILOTS / variant, pack, outcome)
    store.clear()
    durations.record(files.PILOTS / variant / "lanes.parquet")  # that of the train stage, too
    lanes, history = trainings.cell_table(pack, outcome), trainings.history(pack, outcome)
    validation = Validation(data.task, len(data.val))
    target = params.target
    found = bar.bar_of(lanes, history, target.metric, target.value, validation)
    return None if found is None else replace(found, steps=steps)


def said(found: Bar | None) -> str:
    """What there is to race to, in a line."""
    if found is None:
        return "the other batch sizes train whole: most seeds of the pilot diverge at every rate"
    name = found.metric.replace("_", " ")
    words = f"the other batch sizes are raced to a {name} of {found.value:.4g}, which batch size "
    if found.lr is None:
        return f"{words}{found.batch_size} does not reach"
    return f"{words}{found.batch_size} reaches fastest with learning rate {found.lr:g}"


@command
def main() -> None:
    """Read the data and the timings, train if there is a race, write the bar."""
    params = load_params(files.PARAMS)
    variant = " ".join(sys.argv[1:])
    require(variant in params.grid.variant, "VARIANT", variant, "is not in the grid")
    examples = json.loads((files.PROCESSED / "summary.json").read_text())["examples"]["train"]
    timed = pd.read_csv(files.RESULTS / "throughput.csv")
    made = forecast.of_timings(params, timed[timed["in_grid"]], examples)
    found = None
    if is_raced(params, made):
        settings = params.settings(variant)
        data = dataset.load(files.PROCESSED, settings.scaling, device(params.impl.device))
        size = budget.cheapest(settings.budget, examples, params.grid.batch_size)
        found = trained(params, variant, size, data, may_take(params, variant, made))
        print(f"pilot {variant}: {said(found)}", file=sys.stderr)
    else:
        rule = f"whole trainings take about {made.total:.0f} s"
        print(f"pilot {variant}: no race, {rule}", file=sys.stderr)
    files.write_json(files.PILOTS / variant / "bar.json", asdict(found) if found else {})


if __name__ == "__main__":
    main()
