"""The first speed: seconds per step and memory of one training at a time, per batch size.

Writes results/throughput.csv, the only results that may differ between two runs; nothing that
trains reads it. Measure again with `dvc repro -f throughput`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from pipeline import params
from pipeline.data import tensors
from pipeline.data.tensors import Dataset
from pipeline.engine import budget
from pipeline.errors import command, require
from pipeline.measure import cases, machine, steps, throughput
from pipeline.measure.cases import Case, Trial
from pipeline.measure.ladder import Capacity
from pipeline.measure.throughput import NOISY_SPREAD, Timing
from pipeline.params import Params, Settings
from pipeline.stages import files, timing
from pipeline.stages.progress import progress

Key = tuple[str, Case, str]


@dataclass(frozen=True)
class Subject:
    """What one variant's model and optimizer can do here, and what of it will be timed."""

    trial: Trial
    capacity: Capacity
    cases: list[Case]


def grid_sizes(config: Params, examples: int) -> list[int]:
    """The grid's batch sizes with ``full`` as a number.

    Raises InputError for a batch size beyond the data, or given twice.
    """
    sizes = [budget.resolve(size, examples) for size in config.grid.batch_size]
    for size in sizes:
        require(sizes.count(size) == 1, "grid.batch_size", size, "is also what 'full' means here")
    return sizes


def subject(
    settings: Settings, data: Dataset, grid: list[int], limit: float | None, with_neighbours: bool
) -> Subject:
    """Try real steps of growing batches and choose what to time.

    Raises InputError where the memory does not allow the smallest batch.
    """
    trial = Trial(settings, data, limit)
    smallest = cases.smallest_batch(settings, data)
    found = cases.capacity(trial, smallest)
    chosen = cases.cases(trial, grid, found, smallest, with_neighbours)
    return Subject(trial, found, chosen)


def functions(name: str, own: Subject, with_parts: bool) -> dict[Key, Callable[[], object]]:
    """The step of every case, and, if wanted, its parts where the grid takes it whole."""
    training = own.trial.training
    found: dict[Key, Callable[[], object]] = {}
    for case in own.cases:
        found[name, case, "step"] = training.stepper(case.batch_size, case.micro_batches)
        if with_parts and case.in_grid and case.micro_batches == 1:
            for part in steps.PARTS:
                found[name, case, part] = training.part(part, case.batch_size)
    return found


def row(case: Case, own: Subject, timings: dict[str, Timing]) -> dict[str, object]:
    """One line of the table; a part that was not measured is left empty.

    Seconds are the first quartiles of the blocks: other work on the machine only slows steps down.
    """
    step = timings["step"]
    low, high = step.quartiles
    part = {name: timing.quartiles[0] for name, timing in timings.items()}
    backward = part.get("forward_backward", float("nan")) - part.get("forward", 0.0)
    return {
        "batch_size": case.batch_size,
        "micro_batches": case.micro_batches,
        "in_grid": case.in_grid,
        "seconds_per_step": low,
        "seconds_per_step_median": step.median,
        "seconds_per_step_q25": low,
        "seconds_per_step_q75": high,
        "noisy": step.is_noisy,
        "examples_per_second": case.batch_size / low,
        "seconds_gather": part.get("gather"),
        "seconds_forward": part.get("forward"),
        "seconds_backward": backward,
        "seconds_update": part.get("update"),
        **memory_row(case, own),
        "blocks": len(step.blocks),
        "steps_per_block": step.steps_per_block,
    }


def memory_row(case: Case, own: Subject) -> dict[str, float | None]:
    """Memory of the grid's sizes, of micro-batches and of powers of two; and what accumulating
    changes in the update."""
    size, parts, trial = case.batch_size, case.micro_batches, own.trial
    found: dict[str, float | None] = {"peak_bytes": None, "reserved_bytes": None}
    if case.in_grid or parts > 1 or size & (size - 1) == 0:
        found["peak_bytes"] = trial.peak(size, parts)
        found["reserved_bytes"] = trial.reserved[size, parts]
    found["update_difference"] = None
    if parts > 1 and not case.in_grid:
        found["update_difference"] = steps.accumulation_difference(
            trial.settings, trial.data, size, parts
        )
    return found


def table(name: str, own: Subject, timings: dict[Key, Timing]) -> pd.DataFrame:
    """All lines of one variant, by batch size."""
    rows = []
    for case in sorted(own.cases, key=lambda case: (case.batch_size, case.micro_batches)):
        of_case = {
            part: t for (who, what, part), t in timings.items() if (who, what) == (name, case)
        }
        rows.append({"variant": name, **row(case, own, of_case)})
    return pd.DataFrame(rows).assign(
        largest_batch_size=own.capacity.batch_size,
        search_ended_by=own.capacity.ended_by,
        limit_bytes=round(own.trial.limit_bytes),
        weight_bytes=steps.weight_bytes(own.trial.settings, own.trial.data),
    )


def representatives(settings: dict[str, Settings]) -> dict[str, str]:
    """For each variant the first with the same model and optimizer: nothing else changes a step."""
    first: dict[str, str] = {}
    for variant, own in settings.items():
        same = (v for v in first if same_step(settings[v], own))
        first[variant] = next(same, variant)
    return first


def same_step(a: Settings, b: Settings) -> bool:
    """Whether two variants do the same work at every step."""
    return a.model == b.model and a.optimizer == b.optimizer


def say_noise(timings: dict[Key, Timing]) -> None:
    """Tell of a noisy machine instead of printing false precision."""
    steps_only = [timing for (_, _, part), timing in timings.items() if part == "step"]
    noisy = sum(timing.is_noisy for timing in steps_only)
    if noisy:
        print(
            f"throughput: {noisy} of {len(steps_only)} times are noisy: their quartiles lie more "
            f"than {NOISY_SPREAD:.0%} of the median apart"
        )


def subjects(config: Params, where: torch.device) -> tuple[dict[str, Subject], dict[str, str]]:
    """What to time for each distinct model and optimizer, and whose numbers each variant has."""
    settings = {variant: config.settings(variant) for variant in config.grid.variant}
    whose = representatives(settings)
    limit = config.limits.memory_gb
    found: dict[str, Subject] = {}
    with progress("throughput: memory", len(set(whose.values())), "variant") as on_done:
        for name in dict.fromkeys(whose.values()):
            data = tensors.load(files.PROCESSED, settings[name].scaling, where)
            grid = grid_sizes(config, len(data.train))
            bytes_allowed = None if limit is None else limit * 2**30
            is_first = not found  # claims about the machine are tested on the first variant
            found[name] = subject(settings[name], data, grid, bytes_allowed, is_first)
            on_done(1)
    return found, whose


@command
def main() -> None:
    """Read data/processed, measure, write results/throughput.csv."""
    config = params.load(files.PARAMS)
    where = machine.device(config.impl.device)
    found, whose = subjects(config, where)
    to_time: dict[Key, Callable[[], object]] = {}
    for place, (name, own) in enumerate(found.items()):
        to_time |= functions(name, own, with_parts=place == 0)  # the page shows the first's
    with progress("throughput: time", len(to_time) * throughput.BLOCKS, "block") as on_block:
        timings = throughput.measure(to_time, where, config.seed, on_block)
    say_noise(timings)
    own_tables = {name: table(name, own, timings) for name, own in found.items()}
    whole = pd.concat([own_tables[whose[v]].assign(variant=v) for v in whose], ignore_index=True)
    written = files.RESULTS / "throughput.csv"
    files.write_csv(written, whole.assign(**machine.describe(where)))
    timing.record(written)


if __name__ == "__main__":
    main()
