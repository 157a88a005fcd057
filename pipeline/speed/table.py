"""throughput.csv: what was timed and weighed, a line for each batch size and way to take it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from pipeline.params.protocol import Throughput
from pipeline.params.settings import OF_A_STEP, Settings
from pipeline.speed import blocks, cases, single
from pipeline.speed.alignment import Aligned
from pipeline.speed.blocks import Beside, Timing
from pipeline.speed.cases import Case, Trial
from pipeline.speed.ladder import Capacity
from pipeline.training.dataset import Dataset
from pipeline.training.device import describe

Key = tuple[str, Case, str]
"""A variant, a case, and ``step`` or one of its parts."""
ENOUGH = 512
"""Up to it there are several powers of two, and multiples of 32, to look at."""
ALIGNMENT = ("batch_size", "kind", "rounds", "speed_up", "speed_up_q25", "speed_up_q75")
RETIMED = (
    "variant", "batch_size", "seconds_per_step", "seconds_per_step_q25", "seconds_per_step_q75",
    "blocks",
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """What one variant's model and optimizer can do here, and what of it will be timed."""

    trial: Trial
    capacity: Capacity
    cases: list[Case]

    @property
    def quick_range(self) -> tuple[int, int]:
        """The smallest and the largest batch size that are quick enough for a ladder, of those
        that are timed."""
        quick = [
            case.batch_size
            for case in self.cases
            if case.micro_batches == 1 and self.trial.is_quick(case.batch_size)
        ]
        return min(quick, default=0), max(quick, default=0)

    @property
    def aligned_range(self) -> tuple[int, int]:
        """The smallest and the largest batch size whose alignment is looked at: of the quick ones
        those of the grid's range, and what ENOUGH needs."""
        smallest, largest = self.quick_range
        of_grid = max(case.batch_size for case in self.cases if case.in_grid)
        return smallest, min(largest, max(of_grid, ENOUGH) + 1)

    def functions(self, variant: str, with_parts: bool) -> dict[Key, Callable[[], object]]:
        """The step of every case, and, if wanted, its parts where the grid takes it whole."""
        training = self.trial.training
        functions: dict[Key, Callable[[], object]] = {}
        for case in self.cases:
            step = training.stepper(case.batch_size, case.micro_batches)
            functions[variant, case, "step"] = step
            if with_parts and case.in_grid and case.micro_batches == 1:
                for part in single.PARTS:
                    functions[variant, case, part] = training.part(part, case.batch_size)
        return functions


def subject(
    settings: Settings,
    data: Dataset,
    grid: list[int],
    limit_bytes: float | None,
    is_dense: bool,
) -> Subject:
    """Try real steps of growing batches and choose what to time.

    Raises InputError where the memory does not allow the smallest batch.
    """
    trial = Trial(settings, data, limit_bytes)
    smallest = single.smallest_batch(trial.training.model)
    capacity = cases.capacity(trial, smallest)
    chosen = cases.cases(trial, grid, capacity, smallest, is_dense)
    return Subject(trial, capacity, chosen)


def thread_counts(
    functions: Mapping[Key, Callable[[], object]],
    how: Throughput,
    device: torch.device,
    seed: int,
) -> dict[Key, int]:
    """How many intra-op threads each step function is timed with: of the grid's batch sizes what
    is faster, of any other thing what is faster at the nearest of them, so that neighbours are
    taken alike."""
    steps = {key: functions[key] for key in steps_of_grid(functions)}
    most = torch.get_num_threads()
    faster = blocks.faster_threads(steps, how, device, most, seed)

    def nearest(key: Key) -> Key:
        variant, case, _ = key
        of_variant = [other for other in steps if other[0] == variant]
        return min(of_variant, key=lambda other: abs(np.log(other[1].batch_size / case.batch_size)))

    return {key: faster[nearest(key)] for key in functions}


def times(
    functions: Mapping[Key, Callable[[], object]],
    counts: Mapping[Key, int],
    how: Throughput,
    device: torch.device,
    seed: int,
    on_block: Callable[[int], None],
) -> dict[Key, Timing]:
    """The timings of all step functions; what other work keeps from being timed with several
    threads is timed with one, and again whatever it is compared with."""
    grid = steps_of_grid(functions)
    alone = [key for key in functions if not key[1].in_grid and key[1].micro_batches == 1]
    found = blocks.measure(functions, counts, how, device, seed, on_block, grid, alone)
    lost = functions.keys() - found.keys()
    if not lost:
        return found
    again = lost | (set(grid) if lost & set(grid) else set())
    steps = {key: step for key, step in functions.items() if key in again}
    fewer = {key: 1 if key in lost else counts[key] for key in steps}
    kept = {key: timing for key, timing in found.items() if key not in again}
    return kept | times(steps, fewer, how, device, seed, lambda _: None)


def steps_of_grid(keys: Iterable[Key]) -> list[Key]:
    """Of what is timed, the steps of the grid's batch sizes, which are compared."""
    return [key for key in keys if key[1].in_grid and key[2] == "step"]


def representatives(settings: Mapping[str, Settings]) -> dict[str, str]:
    """For each variant the first with the same step: by model, optimizer and augmentation."""
    first: dict[str, str] = {}
    for variant, setting in settings.items():
        same = (name for name in first if is_same_step(settings[name], setting))
        first[variant] = next(same, variant)
    return first


def is_same_step(one: Settings, other: Settings) -> bool:
    """Whether two variants do the same work at every step."""
    return all(getattr(one, name) == getattr(other, name) for name in OF_A_STEP)


def table(
    subjects: Mapping[str, Subject],
    whose: Mapping[str, str],
    timings: Mapping[Key, Timing],
    device: torch.device,
    other_cores: float,
) -> pd.DataFrame:
    """All lines of all variants; whose: the subject whose numbers each variant has; other_cores:
    how many were busy with other work while steps were timed."""
    compared = blocks.beside({key: timings[key] for key in steps_of_grid(timings)})
    of_subject = {
        name: subject_rows(subject, name, timings, compared) for name, subject in subjects.items()
    }
    rows = [of_subject[name].assign(variant=variant) for variant, name in whose.items()]
    return pd.concat(rows, ignore_index=True).assign(other_cores=other_cores, **describe(device))


def subject_rows(
    subject: Subject, name: str, timings: Mapping[Key, Timing], compared: Mapping[Key, Beside]
) -> pd.DataFrame:
    """All lines of one variant, by batch size."""
    rows = []
    for case in sorted(subject.cases, key=lambda case: (case.batch_size, case.micro_batches)):
        of_case = {
            part: timing
            for (variant, timed, part), timing in timings.items()
            if (variant, timed) == (name, case)
        }
        among = compared.get((name, case, "step"))
        rows.append({"variant": name, **row(case, subject.trial, of_case, among)})
    return pd.DataFrame(rows).assign(
        largest_batch_size=subject.capacity.batch_size,
        search_ended_by=subject.capacity.ended_by,
        limit_bytes=round(subject.trial.limit_bytes),
        weight_bytes=single.weight_bytes(subject.trial.settings, subject.trial.data),
    )


def alignment(found: Sequence[Aligned]) -> pd.DataFrame:
    """A line for each aligned size: the median speed-up over its neighbours with its quartiles."""
    rows = [
        {"batch_size": one.batch_size, "kind": one.kind, "rounds": len(one.log_speed_ups)}
        | dict(
            zip(
                ("speed_up_q25", "speed_up", "speed_up_q75"),
                np.exp(np.percentile(one.log_speed_ups, [25, 50, 75])),
                strict=True,
            )
        )
        for one in sorted(found, key=lambda one: one.batch_size)
    ]
    return pd.DataFrame(rows, columns=ALIGNMENT)


def retimed(whose: Mapping[str, str], timings: Mapping[tuple[str, int], Timing]) -> pd.DataFrame:
    """The seconds per step of every variant and batch size that was timed again, by whose numbers
    the variant has."""
    compared = blocks.beside(timings)
    rows = [
        {"variant": variant, "batch_size": size}
        | seconds_columns(timing, compared[timed, size].seconds)
        for variant, name in whose.items()
        for (timed, size), timing in timings.items()
        if timed == name
    ]
    return pd.DataFrame(rows, columns=RETIMED)


def seconds_columns(step: Timing, seconds: float) -> dict[str, object]:
    """The seconds of a step with their quartiles over its blocks."""
    low, high = step.quartiles
    return {
        "seconds_per_step": seconds,
        "seconds_per_step_q25": low,
        "seconds_per_step_q75": high,
        "blocks": step.count,
    }


def row(
    case: Case, trial: Trial, timings: Mapping[str, Timing], among: Beside | None
) -> dict[str, object]:
    """One line of the table; a part that was not measured is left empty. Seconds are the medians
    of the blocks; of a step that is ``among`` those compared, as its rounds have it."""
    step = timings["step"]
    seconds = among.seconds if among else step.median
    part = {name: timing.median for name, timing in timings.items()}
    backward = part.get("forward_backward", float("nan")) - part.get("forward", 0.0)
    return {
        "batch_size": case.batch_size,
        "micro_batches": case.micro_batches,
        "in_grid": case.in_grid,
        "threads": step.threads,
        **seconds_columns(step, seconds),
        "ratio_error": among.log_error if among else None,
        "noisy": step.is_noisy,
        "examples_per_second": case.batch_size / seconds,
        "seconds_gather": part.get("gather"),
        "seconds_forward": part.get("forward"),
        "seconds_backward": backward,
        "seconds_update": part.get("update"),
        **memory_columns(case, trial),
        "steps_per_block": step.steps_per_block,
    }


def memory_columns(case: Case, trial: Trial) -> dict[str, float | None]:
    """Memory of the grid's sizes, of micro-batches and of powers of two; and what accumulating
    changes in the update."""
    size, parts = case.batch_size, case.micro_batches
    columns: dict[str, float | None] = {"peak_bytes": None, "reserved_bytes": None}
    if case.in_grid or parts > 1 or size & (size - 1) == 0:
        columns["peak_bytes"] = trial.peak(size, parts)
        columns["reserved_bytes"] = trial.reserved[size, parts]
    columns["update_difference"] = None
    if parts > 1 and not case.in_grid:
        columns["update_difference"] = single.accumulation_difference(
            trial.settings, trial.data, size, parts
        )
    return columns
