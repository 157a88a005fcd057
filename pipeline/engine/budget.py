"""How many steps a cell trains, and at which of them it is evaluated."""

from pipeline.errors import require
from pipeline.params import FULL, BatchSize, Budget


def resolve(batch_size: BatchSize, examples: int) -> int:
    """The number of examples in a batch; ``full`` is all of them.

    Raises InputError for a batch size beyond the training set.
    """
    if batch_size == FULL:
        return examples
    assert isinstance(batch_size, int)
    rule = f"is beyond the {examples} training examples; 'full' takes them all"
    require(batch_size <= examples, "grid.batch_size", batch_size, rule)
    return batch_size


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Whole batches in one pass; the remainder waits for another epoch's order."""
    return examples // batch_size


def total_steps(budget: Budget, examples: int, batch_size: int) -> int:
    """``max(epochs x steps per epoch, min_steps)``."""
    return max(budget.epochs * steps_per_epoch(examples, batch_size), budget.min_steps)


def evaluation_steps(budget: Budget, examples: int, batch_size: int) -> list[int]:
    """Log-spaced steps, the same for every batch size, up to this one's budget.

    ``budget.evaluations`` points lead from step 1 to ``min_steps`` and go on at the same ratio.
    The ends of the equal-epochs budget and of the whole budget are added.
    """
    last = total_steps(budget, examples, batch_size)
    ratio = budget.min_steps ** (1 / (budget.evaluations - 1))
    steps = {last, min(last, budget.epochs * steps_per_epoch(examples, batch_size))}
    point = 1.0
    while round(point) <= last:
        steps.add(round(point))
        point *= ratio
    return sorted(steps)
