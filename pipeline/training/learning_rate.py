"""The learning rate's factor along the budget."""

import math

from pipeline.params.schedule import Schedule
from pipeline.training.pack import Pack

CYCLE_RISE, CYCLE_START, CYCLE_END = 0.3, 1 / 25, 1 / 250_000
"""torch's OneCycleLR: the share of the budget that rises, and the rate's factors at both ends."""


def factor_at(pack: Pack, step: int) -> float:
    """What a pack's rates are multiplied by at ``step`` (from 1): by the schedule, and where a
    growing batch stands for it by Adam's rule, by the root of how much the batch has grown."""
    schedule = pack.settings.schedule
    factor = rate_factor(schedule, step, pack.steps)
    if schedule.exchange == "adam":
        factor *= (pack.batch_size / pack.phase(step - 1).batch_size) ** 0.5
    return factor


def rate_factor(schedule: Schedule, step: int, last_step: int) -> float:
    """What the rate is multiplied by at ``step`` (from 1) of ``last_step``.

    Warm-up rises linearly and reaches 1 at its last step (Goyal et al. 2017, section 2.2).
    ``onecycle`` warms up by itself (Smith & Topin 2018; torch's defaults, momentum aside).
    """
    if schedule.name == "onecycle":
        return one_cycle(step, last_step)
    if step <= schedule.warmup_steps:
        return step / schedule.warmup_steps
    return decay(schedule, step, last_step)


def squared_factors(schedule: Schedule, steps: int) -> float:
    """The sum of the squared factors of the first ``steps`` steps, where the rate stays after its
    warm-up."""
    warmup = schedule.warmup_steps
    rising = min(steps, warmup)
    return steps - rising + rising * (rising + 1) * (2 * rising + 1) / (6 * max(1, warmup) ** 2)


def decay(schedule: Schedule, step: int, last_step: int) -> float:
    """The factor after the warm-up.

    The cosine falls to 0 over all of it (Loshchilov & Hutter 2017, equation 5, no restart), and so
    does the straight line; ``wsd`` falls straight over its last share (Hu et al. 2024, section 4).
    """
    left, whole = last_step - step + 1, max(1, last_step - schedule.warmup_steps)
    if schedule.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (1 - left / whole)))
    if schedule.name == "linear":
        return left / whole
    if schedule.name == "wsd":
        return min(1.0, left / max(1.0, schedule.decay * last_step))
    if schedule.name == "step":
        passed = sum(step > share * last_step for share in schedule.milestones)
        return float(schedule.factor**passed)
    return 1.0


def one_cycle(step: int, last_step: int) -> float:
    """Half a cosine up to 1 and another one down."""
    top = max(1e-9, CYCLE_RISE * last_step - 1)
    if step - 1 <= top:
        return on_cosine(CYCLE_START, 1.0, (step - 1) / top)
    return on_cosine(1.0, CYCLE_END, (step - 1 - top) / max(1e-9, last_step - 1 - top))


def on_cosine(first: float, last: float, done: float) -> float:
    """On half a cosine from one value to another."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * done))
