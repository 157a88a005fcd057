"""The learning rate's factor along the budget."""

import math

from pipeline.params.schedule import Schedule


def rate_factor(schedule: Schedule, step: int, last_step: int) -> float:
    """What the rate is multiplied by at ``step`` (from 1) of ``last_step``.

    Warm-up rises linearly and reaches 1 at its last step (Goyal et al. 2017, section 2.2); the
    cosine then falls to 0 over the rest (Loshchilov & Hutter 2017, equation 5, no restart).
    """
    if step <= schedule.warmup_steps:
        return step / schedule.warmup_steps
    if schedule.name == "cosine":
        done = (step - 1 - schedule.warmup_steps) / max(1, last_step - schedule.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule.name == "step":
        passed = sum(step > share * last_step for share in schedule.milestones)
        return float(schedule.factor**passed)
    return 1.0
