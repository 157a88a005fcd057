"""Say what a variant's pilot reached, and whether the other batch sizes are raced to it.

    python -m pipeline.stages.bar VARIANT BATCH_SIZE

Writes results/bars/VARIANT.json: the variant's bar, or nothing where there is no race: where
``grid.race`` is auto and the trainings will not take long, and where the pilot reaches nothing.
"""

import json
import sys
from dataclasses import asdict

import pandas as pd

from pipeline import forecast
from pipeline.errors import command
from pipeline.params.load import Params, load_params
from pipeline.race import bar as bars
from pipeline.race.bar import Bar
from pipeline.selection.targets import Validation
from pipeline.workspace import durations, files

RACE_SECONDS = 600.0
"""Trainings that will take longer are raced where nobody says whether to."""


def is_raced(params: Params, train_examples: int) -> bool:
    """Whether to race: as asked for, or by the forecast of whole trainings."""
    if params.grid.race != "auto":
        return bool(params.grid.race)
    timed = pd.read_csv(files.RESULTS / "throughput.csv")
    made = forecast.of_timings(params, timed[timed["in_grid"]], train_examples)
    return made.total > RACE_SECONDS


def said(bar: Bar | None, raced: bool) -> str:
    """What there is to race to, in a line."""
    if not raced:
        return f"the other batch sizes train whole: that takes less than {RACE_SECONDS:.0f} s"
    if bar is None:
        return "the other batch sizes train whole: the largest reaches nothing to race to"
    name = bar.metric.replace("_", " ")
    return (
        f"the other batch sizes are raced to a {name} of {bar.value:.4g}, "
        f"which batch size {bar.batch_size} reaches fastest with learning rate {bar.lr:g}"
    )


@command
def main() -> None:
    """Read the pilot's run and the timings, write the bar."""
    params = load_params(files.PARAMS)
    variant, batch_size = params.pack_named(sys.argv[1:])
    summary = json.loads((files.PROCESSED / "summary.json").read_text())
    bar = None
    raced = is_raced(params, summary["examples"]["train"])
    if raced:
        lanes, history = (
            pd.read_parquet(files.run_folder(variant, batch_size) / f"{name}.parquet")
            for name in ("lanes", "history")
        )
        validation = Validation(summary["task"], summary["examples"]["val"])
        target = params.target
        bar = bars.bar_of(lanes, history, target.metric, target.value, validation)
    print(f"bar {variant}: {said(bar, raced)}", file=sys.stderr)
    written = files.BARS / f"{variant}.json"
    files.write_json(written, asdict(bar) if bar else {})
    durations.record(written)


if __name__ == "__main__":
    main()
