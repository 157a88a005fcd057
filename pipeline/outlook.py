"""How long the trainings that are left will take, told as packs are done.

A progress line: a stage may print it and need not list what it reads.
"""

import json
from collections.abc import Mapping

import pandas as pd

from pipeline import forecast
from pipeline.forecast import Forecast
from pipeline.params.load import Params
from pipeline.training import budget
from pipeline.workspace import durations, files

UNKNOWN = "how long the rest takes is not known, for no steps were timed"


def words(made: Forecast, taken: Mapping[tuple[str, int], float]) -> str:
    """What is left, by what the packs that are done took against what was predicted; nothing where
    none is done. taken: their seconds by pack."""
    known = {pack: seconds for pack, seconds in taken.items() if pack in made.seconds}
    if not known:
        return ""
    predicted = sum(made.seconds[pack] for pack in known)
    pace = sum(known.values()) / predicted
    left = forecast.duration(pace * (made.total - predicted))
    return (
        f"{len(known)} of {len(made.seconds)} packs trained, in {pace:.2f} times what was "
        f"predicted; with the fresh seeds about {left} left"
    )


def told(params: Params) -> str:
    """``words`` of the packs that were trained since params.yaml was written; UNKNOWN where steps
    were not timed."""
    timings = files.RESULTS / "throughput.csv"
    if not timings.is_file():
        return UNKNOWN
    timed = pd.read_csv(timings)
    examples = json.loads((files.PROCESSED / "summary.json").read_text())["examples"]["train"]
    made = forecast.of_timings(params, timed[timed["in_grid"]], examples)
    since, taken = files.PARAMS.stat().st_mtime, {}
    for variant, asked in params.packs():
        lanes = files.run_folder(variant, asked) / "lanes.parquet"
        seconds = durations.recorded(lanes) if lanes.is_file() else None
        if seconds is not None and lanes.stat().st_mtime > since:
            taken[variant, budget.resolve(asked, examples)] = seconds
    return words(made, taken) or UNKNOWN
