"""The ``optimizer`` section: by which rule the weights are updated."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pipeline.errors import require
from pipeline.params.checks import one_of

OPTIMIZERS = ("sgd", "nesterov", "adagrad", "adam", "adamw", "lars", "lamb")
WITH_MOMENTUM = ("sgd", "nesterov", "lars")


@dataclass(frozen=True)
class Optimizer:
    """The update rule; its rate comes from the grid.

    beta2: of Adam, AdamW and LAMB; with ``beta2_batch_size`` it is that of this batch size, and
    elsewhere such that its half-life in examples stays (Marek et al. 2025).
    """

    name: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    beta2: float = 0.999
    beta2_batch_size: int | None = None

    def at(self, batch_size: int) -> Optimizer:
        """The rule at a batch size, with its own beta2."""
        if self.beta2_batch_size is None:
            return self
        beta2 = self.beta2 ** (batch_size / self.beta2_batch_size)
        return dataclasses.replace(self, beta2=beta2, beta2_batch_size=None)

    def __post_init__(self) -> None:
        base = self.beta2_batch_size
        require(0 < self.beta2 < 1, "optimizer.beta2", self.beta2, "is outside (0, 1)")
        require(base is None or base >= 1, "optimizer.beta2_batch_size", base, "is below 1")
        one_of("optimizer.name", self.name, OPTIMIZERS)
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "is outside [0, 1)")
        require(
            self.momentum == 0 or self.name in WITH_MOMENTUM,
            "optimizer.momentum",
            self.momentum,
            f"is not used by {self.name}",
        )
        require(
            self.name != "nesterov" or self.momentum > 0,
            "optimizer.momentum",
            self.momentum,
            "must be above 0 for nesterov",
        )
        require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "is below 0")
