"""What is trained together, and what comes out of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.params.settings import Cell, Settings
from pipeline.training import budget
from pipeline.training.budget import Phase

CURVES = (
    "train_loss",
    "train_loss_sd",
    "val_loss",
    "val_score",
    "grad_norm",
    "weight_norm",
    "largest_weight",
    "update_to_weight",
)
"""Recorded at every evaluation; the gradient's norm is that after clipping, the last is the length
of the step's update over the weights'."""
FINALS = ("final_train_loss", "final_train_score", "final_val_loss", "final_val_score")

TRAINED = "trained"
"""In the state of a training whose weights are averaged, the weights themselves."""


@dataclass(frozen=True)
class Pack:
    """The cells of one (variant, batch size): same shapes, same number of steps.

    snapshots: evaluation steps whose weights are kept; dense: steps after which every cell is
    evaluated too, beside those of the budget. until: the evaluation step to stop at, None for the
    end of the budget. begun: what the same cells have done before, up to an earlier one.
    """

    settings: Settings
    batch_size: int
    examples: int
    cells: tuple[Cell, ...]
    snapshots: tuple[int, ...] = ()
    dense: tuple[int, ...] = ()
    until: int | None = None
    begun: "Trained | None" = None

    def __post_init__(self) -> None:
        assert all(1 <= step <= self.steps for step in self.dense)
        assert {*self.snapshots, self.end} <= set(self.evaluation_steps)
        assert self.first_step <= self.end

    def part(self, places: Iterable[int] | npt.NDArray[np.int64]) -> "Pack":
        """The same pack with the cells at these places."""
        chosen = list(places)
        cells = tuple(self.cells[place] for place in chosen)
        return replace(self, cells=cells, begun=self.begun and self.begun.part(chosen))

    @property
    def end(self) -> int:
        """The step to stop at."""
        return self.steps if self.until is None else self.until

    def stopped(self, steps: float) -> "Pack":
        """The same pack, to stop at the first evaluation from so many steps on."""
        until = next((step for step in self.evaluation_steps if step >= steps), self.steps)
        return replace(self, until=until)

    @property
    def first_step(self) -> int:
        """How many steps are done before."""
        return int(self.begun.until[0]) if self.begun else 0

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The steps by batch size: one phase, unless the schedule lets the batch grow."""
        settings = self.settings
        return budget.phases(settings.schedule, settings.budget, self.examples, self.batch_size)

    @property
    def largest_batch_size(self) -> int:
        """What the batch grows to."""
        return max(phase.batch_size for phase in self.phases)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of the first size in one pass over the training part."""
        return budget.steps_per_epoch(self.examples, self.batch_size)

    @property
    def steps(self) -> int:
        """The budget of every cell."""
        return self.phases[-1].end

    @cached_property
    def evaluation_steps(self) -> list[int]:
        """The steps after which every cell is evaluated."""
        chosen = self.settings.budget
        equal_epochs = chosen.epochs * self.steps_per_epoch
        return sorted({*budget.evaluation_steps(chosen, self.steps, equal_epochs), *self.dense})

    def phase(self, step: int) -> Phase:
        """The phase of a step (from 0), the last one's beyond the end."""
        return next((phase for phase in self.phases if step < phase.end), self.phases[-1])

    def examples_seen(self, step: int) -> int:
        """How many examples the first ``step`` steps take."""
        spans = ((max(0, min(step, phase.end) - phase.first_step), phase) for phase in self.phases)
        return sum(steps * phase.batch_size for steps, phase in spans)

    def epochs_seen(self, step: int) -> float:
        """The same in epochs of the first batch size, whose remainder counts for none."""
        return self.examples_seen(step) / (self.steps_per_epoch * self.batch_size)


@dataclass(frozen=True)
class Trained:
    """The outcome of a pack; axis 0 is the cell, in the pack's order.

    curves: float64 (cells, evaluations) for each name of CURVES, NaN from divergence on.
    finals: float64 (cells,) for each name of FINALS, NaN for a diverged cell.
    diverged_step: int64 (cells,), 0 for a cell that did not diverge.
    weights: parameters and buffers, (cells, ...); a diverged cell keeps those of its last
    evaluation.
    snapshots: the weights at the pack's snapshots, by "step/name"; NaN from divergence on.
    engine, micro_batches: (cells,), how each cell was trained.
    until: int64 (cells,), the step that each cell was to train up to.
    state: what the optimizer remembers, (cells, ...) by a name of the engine's; with the weights
    it is all that a training needs to go on.
    """

    steps: tuple[int, ...]
    curves: dict[str, npt.NDArray[np.float64]]
    finals: dict[str, npt.NDArray[np.float64]]
    diverged_step: npt.NDArray[np.int64]
    weights: dict[str, npt.NDArray[np.generic]]
    snapshots: dict[str, npt.NDArray[np.generic]]
    engine: npt.NDArray[np.str_]
    micro_batches: npt.NDArray[np.int64]
    until: npt.NDArray[np.int64]
    state: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    def part(self, places: Sequence[int]) -> "Trained":
        """The outcome of the cells at these places."""
        return _over_cells([self], lambda arrays: arrays[0][places])


def _over_cells(parts: Sequence[Trained], combine: Callable[[list[Any]], Any]) -> Trained:
    first = parts[0]

    def each(name: str) -> dict[str, Any]:
        kinds = {key: array for part in parts for key, array in getattr(part, name).items()}
        return {
            key: combine([values(part, getattr(part, name).get(key), kind) for part in parts])
            for key, kind in kinds.items()
        }

    def values(part: Trained, own: Any, kind: npt.NDArray[np.generic]) -> Any:
        # of a training that diverged at once an optimizer remembers nothing
        return np.zeros((len(part.until), *kind.shape[1:]), kind.dtype) if own is None else own

    return Trained(
        first.steps,
        each("curves"),
        each("finals"),
        combine([part.diverged_step for part in parts]),
        each("weights"),
        each("snapshots"),
        combine([part.engine for part in parts]),
        combine([part.micro_batches for part in parts]),
        combine([part.until for part in parts]),
        each("state"),
    )


def joined(parts: Sequence[Trained]) -> Trained:
    """Consecutive pieces of a pack, in order, as one."""
    return parts[0] if len(parts) == 1 else _over_cells(parts, np.concatenate)


def interleaved(parts: Sequence[Trained]) -> Trained:
    """Pieces that hold every k-th cell, from the first on, as one."""
    count = sum(len(part.diverged_step) for part in parts)

    def deal(arrays: list[Any]) -> Any:
        out = np.empty((count, *arrays[0].shape[1:]), dtype=np.result_type(*arrays))
        for place, array in enumerate(arrays):
            out[place :: len(arrays)] = array
        return out

    return _over_cells(parts, deal)
