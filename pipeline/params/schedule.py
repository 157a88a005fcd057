"""The ``schedule`` and ``budget`` sections: how the rate changes, how long a cell trains."""

import math
from dataclasses import dataclass, field, replace

from pipeline.errors import require
from pipeline.params.checks import one_of

SCHEDULES = ("constant", "cosine", "linear", "wsd", "onecycle", "step", "growth")
EXCHANGES = ("sgd", "adam")
BATCH_RULES = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}
"""Exponents of the rate against the batch size."""


@dataclass(frozen=True)
class Schedule:
    """How the rate changes along the budget; milestones are shares of it.

    ``wsd`` stays, and falls to zero over the last share ``decay`` of the budget.
    At each milestone ``step`` multiplies the rate by ``factor``, and ``growth`` divides the batch
    size by it instead, so that the same examples are seen in fewer steps: at the same rate with
    ``exchange: sgd`` (Smith et al. 2018), with ``adam`` at the root of ``factor`` times it (Meterez
    et al. 2025, Seesaw).

    batch_rule: the grid's rates are those at ``base_batch_size``, and are scaled linearly, or by
    the square root, to every other batch size. warmup_batch_size: the warm-up's steps are those of
    this batch size, and elsewhere it takes as many examples; None: as many steps.
    """

    name: str = "constant"
    warmup_steps: int = 0
    milestones: list[float] = field(default_factory=list)
    factor: float = 1.0
    decay: float = 0.2
    exchange: str = "sgd"
    batch_rule: str = "none"
    base_batch_size: int = 32
    warmup_batch_size: int | None = None

    def at(self, batch_size: int) -> "Schedule":
        """The schedule with the warm-up of a batch size."""
        if self.warmup_batch_size is None:
            return self
        steps = math.ceil(self.warmup_steps * self.warmup_batch_size / batch_size)
        return replace(self, warmup_steps=steps, warmup_batch_size=None)

    def __post_init__(self) -> None:
        one_of("schedule.name", self.name, SCHEDULES)
        one_of("schedule.exchange", self.exchange, EXCHANGES)
        is_used = self.exchange == "sgd" or self.name == "growth"
        require(is_used, "schedule.exchange", self.exchange, f"is not used by {self.name}")
        one_of("schedule.batch_rule", self.batch_rule, tuple(BATCH_RULES))
        base = self.base_batch_size
        require(base >= 1, "schedule.base_batch_size", base, "is below 1")
        require(self.warmup_steps >= 0, "schedule.warmup_steps", self.warmup_steps, "is below 0")
        warmup_base = self.warmup_batch_size
        is_size = warmup_base is None or warmup_base >= 1
        require(is_size, "schedule.warmup_batch_size", warmup_base, "is below 1")
        is_used = warmup_base is None or self.warmup_steps > 0
        rule = "moves nothing: schedule.warmup_steps is 0"
        require(is_used, "schedule.warmup_batch_size", warmup_base, rule)
        require(0 < self.factor <= 1, "schedule.factor", self.factor, "is outside (0, 1]")
        require(0 < self.decay <= 1, "schedule.decay", self.decay, "is outside (0, 1]")
        is_used = self.decay == Schedule.decay or self.name == "wsd"
        require(is_used, "schedule.decay", self.decay, f"is not used by {self.name}")
        rule = "is not used by onecycle, which warms up by itself"
        is_used = self.name != "onecycle" or self.warmup_steps == 0
        require(is_used, "schedule.warmup_steps", self.warmup_steps, rule)
        milestones = list(self.milestones)
        require(
            milestones == sorted(milestones) and all(0 < share < 1 for share in milestones),
            "schedule.milestones",
            milestones,
            "is not an ascending list of shares in (0, 1)",
        )
        if self.name in ("step", "growth"):
            require(len(milestones) > 0, "schedule.milestones", milestones, "is empty")


@dataclass(frozen=True)
class Budget:
    """How long a cell trains, and how often it is evaluated."""

    epochs: int = 30
    min_steps: int = 300
    evaluations: int = 40

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "budget.epochs", self.epochs, "is below 1")
        require(self.min_steps >= 2, "budget.min_steps", self.min_steps, "is below 2")
        require(self.evaluations >= 2, "budget.evaluations", self.evaluations, "is below 2")
