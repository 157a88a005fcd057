"""How long the trainings of a study will take, told before the first begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.params.load import Params
from pipeline.params.network import MODELS
from pipeline.params.settings import Settings
from pipeline.training import budget

if TYPE_CHECKING:
    import pandas as pd

LANE_OVERHEAD = 0.12
"""What one cell of a training of many costs of a lone step's overhead, which lanes share: calls of
operations."""
LANE_EXAMPLES = 1.6
"""What it costs of the rest of a lone step: lanes share the memory and its bandwidth."""
CONFIRMED_RATES = 4
ADDED_RATES = 5
"""About so many rates are trained again, and added, at each batch size."""
FEW_LANES = 2.0
"""Trainings of fewer lanes share less."""
START_SECONDS = 2.5
TRAINED_SHARE = 0.6
"""Of a study's seconds; the rest is for timing steps and looking at solutions."""
FEWEST_STEPS = 10
MINUTE, LONG_MINUTES = 60.0, 10.0
RACE_SECONDS = 120.0
"""Trainings that will take longer are raced where nobody says whether to."""
MOST = 0.5
"""Batch sizes that take this share of the time together are the ones to leave out."""


@dataclass(frozen=True)
class Forecast:
    """What each pack will take, by (variant, batch size): the seconds of its screening with added
    rates, those of its fresh seeds, those of starting, and those of one step of all its cells; and
    the steps of all packs' cells in the grid alone."""

    seconds: Mapping[tuple[str, int], float]
    fresh_seconds: Mapping[tuple[str, int], float]
    start_seconds: Mapping[tuple[str, int], float]
    step_seconds: Mapping[tuple[str, int], float]
    steps: int

    @property
    def total(self) -> float:
        """Seconds of all trainings."""
        return sum(self.seconds.values()) + sum(self.fresh_seconds.values())

    def steps_within(self, study_seconds: float) -> dict[tuple[str, int], int]:
        """How many steps each pack may train for the study to take so long: all packs the same
        seconds. A training that takes longer than that is none to recommend."""
        each = TRAINED_SHARE * study_seconds / len(self.seconds)
        return {
            pack: max(FEWEST_STEPS, int((each - self.start_seconds[pack]) / seconds))
            for pack, seconds in self.step_seconds.items()
        }

    def dearest(self) -> list[int]:
        """The fewest batch sizes that take MOST of the seconds together, ascending."""
        by_size: dict[int, float] = {}
        for (variant, size), seconds in self.seconds.items():
            fresh = self.fresh_seconds[variant, size]
            by_size[size] = by_size.get(size, 0.0) + seconds + fresh
        chosen: list[int] = []
        for size in sorted(by_size, key=lambda size: -by_size[size]):
            if sum(by_size[size] for size in chosen) < MOST * self.total:
                chosen.append(size)
        return sorted(chosen)


def forecast(
    params: Params,
    seconds_per_step: Mapping[tuple[str, int], float],
    examples: int,
    at_once: int,
    call_seconds: float = 0.0,
) -> Forecast:
    """From the seconds of a lone training's step by (variant, batch size), for so many training
    examples; batch sizes that were not timed are left out.

    at_once: processes of lanes, or calls of a program; call_seconds: what a call takes beside its
    steps. The constants are those of the default study on two cores.
    """
    seconds, fresh_seconds, start_seconds, step_seconds, steps = {}, {}, {}, {}, 0
    for variant, asked in params.packs():
        size = budget.resolve(asked, examples)
        settings = params.settings(variant)
        timed = {each: took for (name, each), took in seconds_per_step.items() if name == variant}
        if size not in timed:
            continue
        few, cell_step = cost(params, settings, timed, size)
        screened = len(settings.lr) * params.grid.seeds
        added = ADDED_RATES * params.grid.seeds if params.grid.extensions else 0
        confirmed = min(CONFIRMED_RATES, len(settings.lr)) * params.confirm.seeds
        pack_steps = budget.total_steps(settings.budget, examples, size)
        trained, fresh = screened + few * added, few * confirmed
        per_call = call_seconds / at_once
        per_cell = per_call + pack_steps * cell_step / at_once
        start_seconds[variant, size] = START_SECONDS + (trained + fresh) * per_call
        step_seconds[variant, size] = (trained + fresh) * cell_step / at_once
        seconds[variant, size] = START_SECONDS + trained * per_cell
        fresh_seconds[variant, size] = fresh * per_cell
        steps += screened * pack_steps
    return Forecast(seconds, fresh_seconds, start_seconds, step_seconds, steps)


def cost(
    params: Params, settings: Settings, timed: Mapping[int, float], size: int
) -> tuple[float, float]:
    """How much dearer than in the grid a cell is among few, and the seconds of its step in the
    grid. timed: the seconds of a lone training's step by batch size."""
    if params.trainer.name != "lanes":
        return 1.0, timed[size]
    shared = min(overhead(timed), timed[size])
    own = 1.0 if is_in_loop(params, settings) else LANE_OVERHEAD
    return FEW_LANES, own * shared + LANE_EXAMPLES * (timed[size] - shared)


def of_timings(params: Params, timed: "pd.DataFrame", examples: int) -> Forecast:
    """The forecast from rows of throughput.csv in the grid."""
    known = timed.dropna(subset=["seconds_per_step"])
    seconds = {
        (row.variant, int(row.batch_size)): float(row.seconds_per_step)
        for row in known.itertuples()
    }
    call = float(known["call_seconds"].median()) if "call_seconds" in known else 0.0
    return forecast(params, seconds, examples, workers(params, timed), call)


def workers(params: Params, timed: "pd.DataFrame") -> int:
    """How many trainings, or processes of lanes, run side by side."""
    if params.trainer.name != "lanes":
        asked = params.trainer.at_once
        if asked != "auto":
            return int(asked)
        return int(timed["calls_at_once"].iloc[0]) if "calls_at_once" in timed else 1
    is_cpu = (timed["device"] == "cpu").all()
    cores = int(timed["cores"].iloc[0]) if is_cpu else 1
    return cores if params.impl.workers == "auto" else int(params.impl.workers)


def is_in_loop(params: Params, settings: Settings) -> bool:
    """Whether cells may have to train in the plain loop: a user's own network is taken for one that
    cannot be batched, and bfloat16 for that of a CPU, wherever it is."""
    is_own = settings.model.name not in MODELS
    return params.impl.engine == "loop" or is_own or settings.model.precision == "bfloat16"


def overhead(seconds_per_step: Mapping[int, float]) -> float:
    """What a step takes without examples, by the line through its seconds at the smallest and the
    largest batch size; 0 for a single one."""
    small, large = min(seconds_per_step), max(seconds_per_step)
    if small == large:
        return 0.0
    slope = (seconds_per_step[large] - seconds_per_step[small]) / (large - small)
    return max(0.0, seconds_per_step[small] - slope * small)


def duration(seconds: float) -> str:
    """Seconds, or minutes where there are many."""
    minutes = seconds / MINUTE
    return f"{minutes:.0f} minutes" if minutes >= 2 else f"{seconds:.0f} seconds"


def is_raced(params: Params, made: Forecast) -> bool:
    """Whether to race: as asked for, or by the forecast of whole trainings."""
    if params.grid.race is True:
        return True
    if params.limits.study_seconds is not None:
        return made.total > params.limits.study_seconds
    return params.grid.race is not False and made.total > RACE_SECONDS


def words(made: Forecast, raced: bool) -> str:
    """The forecast in a sentence or two, with what would make a long study cheaper."""
    text = (
        f"the grid trains {made.steps:,} steps; with added rates and fresh seeds that takes about "
        f"{duration(made.total)}"
    )
    if raced:
        text += " if all train whole; the study is raced, and takes less"
    if made.total < LONG_MINUTES * MINUTE:
        return text
    sizes = ", ".join(str(size) for size in made.dearest())
    race = "" if raced else "grid.race=true, "
    return (
        f"{text}. At least half of it goes to batch size {sizes}. Cheaper: leave those out "
        f"(grid.batch_size), fewer budget.epochs or grid.seeds, {race}or limits.study_seconds; "
        "grid=large is for large data"
    )
