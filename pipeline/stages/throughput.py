"""The first speed: seconds per step and memory of one training at a time, per batch size.

Writes results/throughput.csv, alignment.csv and data_parallel.csv, which may differ between two
runs; nothing that trains reads them, and ``retime`` tells after the training whether the first
still holds. Measure again with `dvc repro -f throughput`.
"""

import json
import sys
from collections.abc import Callable, Mapping

import pandas as pd
import torch

from pipeline import distributed, forecast
from pipeline.errors import command, require
from pipeline.params.load import Params, load_params
from pipeline.speed import alignment, single, table
from pipeline.speed.alignment import Aligned
from pipeline.speed.blocks import NOISY_SPREAD, Timing
from pipeline.speed.load import Watch
from pipeline.speed.table import Key, Subject
from pipeline.training import budget, dataset
from pipeline.training.device import device, one_thread
from pipeline.workspace import durations, files
from pipeline.workspace.progress import progress


def grid_sizes(params: Params, examples: int) -> list[int]:
    """The grid's batch sizes with ``full`` as a number.

    Raises InputError for a batch size beyond the data or a variant's optimizer, or given twice.
    """
    sizes = [budget.resolve(size, examples) for size in params.grid.batch_size]
    for size in sizes:
        require(sizes.count(size) == 1, "grid.batch_size", size, "is also what 'full' means here")
        for variant in params.grid.variant:
            params.settings(variant).at(size)
    return sizes


def subjects(params: Params, where: torch.device) -> tuple[dict[str, Subject], dict[str, str]]:
    """What to time for each distinct model and optimizer, and whose numbers each variant has."""
    settings = {variant: params.settings(variant) for variant in params.grid.variant}
    whose = table.representatives(settings)
    limit_gb = params.limits.memory_gb
    limit_bytes = None if limit_gb is None else limit_gb * 2**30
    chosen: dict[str, Subject] = {}
    with progress("throughput: memory", len(set(whose.values())), "variant") as on_done:
        for name in dict.fromkeys(whose.values()):
            data = dataset.load(files.PROCESSED, settings[name].scaling, where)
            sizes = grid_sizes(params, len(data.train))
            is_first = not chosen  # claims about the machine are tested on the first variant
            chosen[name] = table.subject(settings[name], data, sizes, limit_bytes, is_first)
            on_done(1)
    return chosen, whose


def aligned_sizes(subject: Subject, params: Params, where: torch.device) -> list[Aligned]:
    """Aligned sizes beside their neighbours."""
    kinds = alignment.sizes(*subject.aligned_range)
    with progress(
        "throughput: alignment", alignment.MOST * params.throughput.blocks, "round"
    ) as on_round:
        step_of = subject.trial.training.stepper
        return alignment.measure(step_of, kinds, params.throughput, where, params.seed, on_round)


def shared(params: Params, chosen: Mapping[str, Subject], whose: Mapping[str, str]) -> pd.DataFrame:
    """Seconds per step of processes that share a batch, of every variant; no rows where none are
    asked for."""
    most, tables = params.data_parallel.processes, [pd.DataFrame(columns=list(distributed.COLUMNS))]
    rounds = len(chosen) * len(distributed.powers(most))
    with progress("throughput: processes that share a batch", rounds, "group") as on_done:
        for name, subject in chosen.items() if most > 1 else ():
            settings, data = subject.trial.settings, subject.trial.data
            sizes = grid_sizes(params, len(data.train))
            smallest = single.smallest_batch(subject.trial.training.model)
            how = params.throughput
            where = subject.trial.device
            table = distributed.measure(
                settings, files.PROCESSED, where, most, sizes, smallest, how, on_done
            )
            tables += [table.assign(variant=each) for each, of in whose.items() if of == name]
    return pd.concat(tables)


def say_noise(timings: dict[Key, Timing]) -> None:
    """Tell of a noisy machine instead of printing false precision."""
    steps = [timing for (_, _, part), timing in timings.items() if part == "step"]
    noisy = sum(timing.is_noisy for timing in steps)
    if noisy:
        print(
            f"throughput: {noisy} of {len(steps)} times are noisy: their quartiles lie more "
            f"than {NOISY_SPREAD:.0%} of the median apart"
        )


def say_forecast(params: Params, timed: pd.DataFrame) -> None:
    """Tell how long the trainings will take, before the first begins."""
    examples = json.loads((files.PROCESSED / "summary.json").read_text())["examples"]["train"]
    made = forecast.of_timings(params, timed[timed["in_grid"]], examples)
    words = forecast.words(made, forecast.is_raced(params, made))
    print(f"throughput: {words}", file=sys.stderr)


@command
def main() -> None:
    """Read data/processed, measure, write three tables below results/."""
    params = load_params(files.PARAMS)
    where = device(params.impl.device)
    with one_thread():  # what several would wait for each other at is found out later
        chosen, whose = subjects(params, where)
    to_time: dict[Key, Callable[[], object]] = {}
    for place, (name, subject) in enumerate(chosen.items()):
        to_time |= subject.functions(name, with_parts=place == 0)  # the page shows the first's
    how, seed = params.throughput, params.seed
    watch = Watch()
    counts = table.thread_counts(to_time, how, where, seed)
    with progress("throughput: time", len(to_time) * how.blocks, "block") as on_block:
        timings = table.times(to_time, counts, how, where, seed, on_block)
    say_noise(timings)
    timed = table.table(chosen, whose, timings, where, watch.other_cores())
    say_forecast(params, timed)
    written = files.RESULTS / "throughput.csv"
    files.write_csv(written, timed)
    aligned = aligned_sizes(next(iter(chosen.values())), params, where)
    files.write_csv(files.RESULTS / "alignment.csv", table.alignment(aligned))
    files.write_csv(files.RESULTS / "data_parallel.csv", shared(params, chosen, whose))
    durations.record(written)


if __name__ == "__main__":
    main()
