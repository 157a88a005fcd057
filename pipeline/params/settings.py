"""How one variant trains, and one training of it."""

from dataclasses import dataclass, field, replace

from pipeline.params.augmentation import Augmentation
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.protocol import BatchSize
from pipeline.params.schedule import BATCH_RULES, Budget, Schedule

OF_A_STEP = ("model", "optimizer", "augmentation")
"""What of a variant's settings the work of a step depends on."""


@dataclass(frozen=True)
class Settings:
    """How one variant trains: the base keys with the variant's laid over them."""

    seed: int = 0
    scaling: str = "standard"
    model: Model = field(default_factory=Model)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)
    budget: Budget = field(default_factory=Budget)
    lr: tuple[float, ...] = ()

    def at(self, batch_size: int) -> "Settings":
        """How a batch size trains: with the values that move with it.

        Raises InputError for a batch size that leaves none.
        """
        optimizer = self.optimizer.at(batch_size, BATCH_RULES[self.schedule.batch_rule])
        return replace(self, optimizer=optimizer, schedule=self.schedule.at(batch_size))


@dataclass(frozen=True)
class Cell:
    """One training: (variant, batch size, learning rate, seed), and the phase that asked for it."""

    variant: str
    batch_size: BatchSize
    lr: float
    seed: int
    phase: str = "screen"
