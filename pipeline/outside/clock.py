"""Seconds of a program's steps, by short calls of it."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.errors import InputError
from pipeline.outside.curve import CurveError, check_metric, with_seconds
from pipeline.outside.program import Call, Clocked, Program
from pipeline.outside.trainings import Timed
from pipeline.workspace.progress import progress

TIMES = 3
"""How often the steps of each batch size are timed."""
LONG_ENOUGH, LONGER = 0.25, 4
"""The steps that a long call has more than a short one must take this share of the short one; else
both are made so many times as long."""


def timed(
    program: Program, calls: Sequence[Call], metric: str
) -> dict[tuple[str, int], list[Timed]]:
    """Seconds of a step by variant and batch size, TIMES each, one call at a time; without those
    of which a call fails.

    calls: a whole training of each. A step takes what a call takes longer than one of a third of
    its steps: what the program takes to start and to end is in both. By its own clock where it
    writes ``seconds``; if it does so along the way, one call tells the same from the second time
    on: its steps after the first third.

    Raises InputError where nothing can be timed, and where the metric is not told.
    """
    packs = {(call.cell.variant, int(call.cell.batch_size)): call for call in calls}
    found: dict[tuple[str, int], list[Timed]] = {pack: [] for pack in packs}
    steps = dict.fromkeys(packs, program.trainer.timed_steps)
    with progress("throughput", TIMES * len(packs), "timing") as on_done:
        for seed in range(TIMES):  # in rounds: a busy minute shows at all batch sizes
            for pack in list(found):
                whole = packs[pack]
                call = replace(whole, cell=replace(whole.cell, seed=seed))
                try:
                    once = timed_within(program, call, steps[pack], found[pack])
                    if once is None:
                        once, steps[pack] = timed_once(program, call, steps[pack], metric)
                    found[pack].append(once)
                except CurveError as error:
                    print(f"throughput: {' '.join(map(str, pack))}: {error}", file=sys.stderr)
                    del found[pack]
                on_done(1)
    if not found:
        raise InputError("trainer.command: no batch size could be timed; see the lines above")
    return found


def timed_within(
    program: Program, whole: Call, steps: int, before: Sequence[Timed]
) -> Timed | None:
    """What a step takes by the clock that the program writes along one call; None where it does
    not, or was not timed before.

    Raises CurveError where the call fails.
    """
    if not before or not before[-1].is_told_along:
        return None
    long = program.timed(replace(whole, steps=min(3 * steps, whole.steps)))
    step = step_along(long, steps)
    if step is None:
        return None
    call = max(0.0, long.wall - step * long.asked)
    return replace(before[-1], step=step, call=call, peak_bytes=long.used.peak_bytes)


def step_along(call: Clocked, steps: int) -> float | None:
    """Seconds of a step after so many steps of one call, by the program's own clock; None where
    its rows do not tell of as many more."""
    rows = with_seconds(call.table)
    rows = rows[rows["step"] >= steps]
    if rows.empty or np.ptp(rows["step"]) < steps:  # few steps, beside an evaluation
        return None
    seconds = float(rows["seconds"].iloc[-1] - rows["seconds"].iloc[0])
    return seconds / float(np.ptp(rows["step"])) if seconds > 0 else None


def timed_once(program: Program, whole: Call, steps: int, metric: str) -> tuple[Timed, int]:
    """What a step takes, and the steps of the short call that told it.

    Calls are made longer than ``steps`` until their steps take long enough beside what all calls
    take, or a whole training is timed.

    Raises CurveError where a call fails, or all its steps take no time.
    """
    steps = min(steps, max(1, whole.steps // 3))
    while True:
        short = program.timed(replace(whole, steps=steps))
        long = program.timed(replace(whole, steps=3 * steps))
        is_far = long.seconds - short.seconds >= LONG_ENOUGH * short.seconds
        if (long.steps > short.steps and is_far) or 3 * steps >= whole.steps:
            break
        steps = min(LONGER * steps, whole.steps // 3 + 1)
    check_metric(long.table, metric)
    more, longer = long.steps - short.steps, long.seconds - short.seconds
    if more == 0 or longer <= 0:
        rule = "take no time beside the rest of a call: let the program write `seconds`"
        raise CurveError(f"{3 * steps} steps {rule}")
    step = longer / more
    call = max(0.0, short.wall - step * steps)
    is_along = step_along(long, steps) is not None
    busy = busy_cores(short, long, whole.steps)
    return Timed(step, call, busy, long.used.peak_bytes, is_along), steps


def busy_cores(short: Clocked, long: Clocked, steps: int) -> float:
    """How many cores a training of so many steps keeps busy, on the line through two calls; those
    of the long call where it took no longer than the short one."""
    used, longer = long.used.processor_seconds, long.wall - short.wall
    if longer <= 0:
        return used / long.wall
    left = (steps - long.asked) / (long.asked - short.asked)
    more = used - short.used.processor_seconds
    return max(0.0, used + left * more) / (long.wall + left * longer)
