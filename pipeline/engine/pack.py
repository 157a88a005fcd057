"""What is trained together, and what comes out of it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.engine import budget
from pipeline.params import Cell, Settings

CURVES = ("train_loss", "train_loss_sd", "val_loss", "val_score", "grad_norm", "weight_norm")
FINALS = ("final_train_loss", "final_train_score", "final_val_loss", "final_val_score")


@dataclass(frozen=True)
class Pack:
    """The cells of one (variant, batch size): same shapes, same number of steps."""

    settings: Settings
    batch_size: int
    examples: int
    cells: tuple[Cell, ...]

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the training part."""
        return budget.steps_per_epoch(self.examples, self.batch_size)

    @property
    def steps(self) -> int:
        """The budget of every cell."""
        return budget.total_steps(self.settings.budget, self.examples, self.batch_size)

    @property
    def evaluation_steps(self) -> list[int]:
        """The steps after which every cell is evaluated."""
        return budget.evaluation_steps(self.settings.budget, self.examples, self.batch_size)


@dataclass(frozen=True)
class Trained:
    """The outcome of a pack; axis 0 is the cell, in the pack's order.

    curves: float64 (cells, evaluations) for each name of CURVES, NaN from divergence on.
    finals: float64 (cells,) for each name of FINALS, NaN for a diverged cell.
    diverged_step: int64 (cells,), 0 for a cell that did not diverge.
    weights: parameters and buffers, (cells, ...); a diverged cell keeps those before the
    step that diverged.
    """

    steps: tuple[int, ...]
    curves: dict[str, npt.NDArray[np.float64]]
    finals: dict[str, npt.NDArray[np.float64]]
    diverged_step: npt.NDArray[np.int64]
    weights: dict[str, npt.NDArray[np.generic]]
