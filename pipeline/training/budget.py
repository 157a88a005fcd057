"""How many steps a cell trains, with how many examples, and at which of them it is evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import require
from pipeline.params.protocol import FULL, BatchSize
from pipeline.params.schedule import Budget, Schedule


@dataclass(frozen=True)
class Phase:
    """Consecutive steps of one batch size; the first is ``first_step`` (from 0) and opens
    ``first_epoch``."""

    first_step: int
    steps: int
    batch_size: int
    first_epoch: int

    @property
    def end(self) -> int:
        """The number of steps up to the end of the phase."""
        return self.first_step + self.steps


def resolve(batch_size: BatchSize, examples: int) -> int:
    """The number of examples in a batch; ``full`` is all of them.

    Raises InputError for a batch size beyond the training set.
    """
    if batch_size == FULL:
        return examples
    assert isinstance(batch_size, int)
    rule = f"is beyond the {examples} training examples ('full' takes them all; see grid=small)"
    require(batch_size <= examples, "grid.batch_size", batch_size, rule)
    return batch_size


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Whole batches in one pass; the remainder waits for another epoch's order."""
    return examples // batch_size


def total_steps(budget: Budget, examples: int, batch_size: int) -> int:
    """``max(epochs x steps per epoch, min_steps)``."""
    return max(budget.epochs * steps_per_epoch(examples, batch_size), budget.min_steps)


def cheapest(budget: Budget, examples: int, batch_sizes: Sequence[BatchSize]) -> BatchSize:
    """The batch size whose budget takes the fewest examples, the largest of equals: mostly the
    largest that ``min_steps`` does not lengthen."""

    def price(asked: BatchSize) -> tuple[int, int]:
        size = resolve(asked, examples)
        epochs = -(-total_steps(budget, examples, size) // steps_per_epoch(examples, size))
        return epochs, -size

    return min(batch_sizes, key=price)


def phases(schedule: Schedule, budget: Budget, examples: int, batch_size: int) -> tuple[Phase, ...]:
    """The steps by batch size: a single phase, unless the batch grows.

    A growing batch sees as many examples as a constant one, to half a batch, and is at most all
    of the training part (Smith et al. 2018, section 3).
    """
    total = total_steps(budget, examples, batch_size) * batch_size
    spans: list[Phase] = []
    seen, epochs, size = 0, 0, batch_size
    growing = list(schedule.milestones) if schedule.name == "growth" else []
    for share in [*growing, 1.0]:
        steps = max(1, round((share * total - seen) / size))
        spans.append(Phase(spans[-1].end if spans else 0, steps, size, epochs))
        seen += steps * size
        epochs += -(-steps // steps_per_epoch(examples, size))
        size = min(examples, round(size / schedule.factor))
    return tuple(spans)


def evaluation_steps(budget: Budget, last: int, equal_epochs: int) -> list[int]:
    """Log-spaced steps, the same for every batch size, up to the last one.

    ``budget.evaluations`` points lead from step 1 to ``min_steps`` and go on at the same ratio.
    The end of the equal-epochs budget and the last step are added.
    """
    ratio = budget.min_steps ** (1 / (budget.evaluations - 1))
    steps = {last, min(last, equal_epochs)}
    point = 1.0
    while round(point) <= last:
        steps.add(round(point))
        point *= ratio
    return sorted(steps)
