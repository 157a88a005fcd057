"""What is known of each cell while its lane trains: curves, divergence, weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.lanes.checkpoint import Content
from pipeline.lanes.lanes import Tensors, without_dead
from pipeline.training.losses import DIVERGED_LOSS
from pipeline.training.pack import CURVES, FINALS, Pack, Trained

COMPACT_BELOW = 0.7
"""Dead lanes are dropped once the living ones are at most this share."""
Floats = npt.NDArray[np.float64]


@dataclass
class Records:
    """Where a training stands; axis 0 of the curves is the cell, of ``pending`` the step.

    step: how many are done. alive: the cells that the current lanes train, in lane order; lanes
    beyond are twins. pending: the losses since the last evaluation. kept: the weights of each
    cell's last evaluation; snapshots: those at the pack's snapshots, by "step/name".
    """

    step: int
    alive: list[int]
    curves: dict[str, Floats]
    diverged_step: npt.NDArray[np.int64]
    kept: Tensors
    snapshots: Tensors
    pending: list[Floats] = field(default_factory=list)

    def take_losses(self, losses: Floats) -> None:
        """Add the losses (steps, lanes) of the steps that follow, and note which lanes diverged.

        Lanes cannot harm each other, so that nobody looks for divergence between the steps.
        """
        self.pending.append(losses)
        bad = ~(losses <= DIVERGED_LOSS)
        for lane, cell in enumerate(self.alive):
            if bad[:, lane].any() and not self.diverged_step[cell]:
                self.diverged_step[cell] = self.step + 1 + int(bad[:, lane].argmax())
        self.step += len(losses)

    def take_losses_of_interval(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the losses since the last evaluation, both (lanes,)."""
        losses = np.concatenate(self.pending)
        self.pending = []
        with np.errstate(invalid="ignore", over="ignore"):  # lanes that have died meanwhile
            return losses.mean(0), losses.std(0)

    def take_evaluation(self, point: int, values: Mapping[str, Any], weights: Tensors) -> None:
        """Fill column ``point`` of the living cells' curves and keep their weights.

        values: (lanes,) for each name of CURVES; weights: (lanes, ...). A lane whose validation
        loss has diverged keeps those of its last evaluation.
        """
        for lane, cell in enumerate(self.alive):
            if self.diverged_step[cell]:
                continue
            if not values["val_loss"][lane] <= DIVERGED_LOSS:
                self.diverged_step[cell] = self.step
                continue
            for name in CURVES:
                self.curves[name][cell, point] = values[name][lane]
            for name, tensor in weights.items():
                self.kept[name][cell] = tensor[lane]
                if f"{self.step}/{name}" in self.snapshots:
                    self.snapshots[f"{self.step}/{name}"][cell] = tensor[lane]

    def drop_dead(self, fewest: int) -> list[int] | None:
        """Forget the dead lanes once they are many, down to ``fewest``; the places of the lanes to
        go on with, or None where they stay as they are or nobody lives."""
        dead = [bool(self.diverged_step[cell]) for cell in self.alive]
        living = dead.count(False)
        if not living:
            self.alive = []
        elif living <= COMPACT_BELOW * len(self.alive) and not self.pending:
            places = without_dead(self.alive, dead, fewest)
            if len(places) < len(self.alive):
                self.alive = [self.alive[place] for place in places]
                return places
        return None

    def trained(
        self,
        pack: Pack,
        ends: tuple[Tensor, Tensor] | None,
        state: dict[str, Tensors],
        how: tuple[str, int],
    ) -> Trained:
        """The outcome of every cell.

        ends: training losses and scores of the lanes at the end of their budget, None before it;
        state: the optimizer's of the lanes; how: the engine and its micro-batches.
        """
        cells = len(pack.cells)
        finals = {name: np.full(cells, np.nan) for name in FINALS}
        for lane, cell in enumerate(self.alive):
            if ends is not None and not self.diverged_step[cell]:
                last = [self.curves[name][cell, -1] for name in ("val_loss", "val_score")]
                values = (ends[0][lane], ends[1][lane], *last)
                for name, value in zip(FINALS, values, strict=True):
                    finals[name][cell] = value
        return Trained(
            steps=tuple(pack.evaluation_steps),
            curves=self.curves,
            finals=finals,
            diverged_step=self.diverged_step,
            weights={name: tensor.cpu().numpy() for name, tensor in self.kept.items()},
            snapshots={name: tensor.cpu().numpy() for name, tensor in self.snapshots.items()},
            engine=np.full(cells, how[0]),
            micro_batches=np.full(cells, how[1]),
            until=np.full(cells, pack.end),
            state={
                f"{slot}/{name}": self.by_cell(tensor, cells).cpu().numpy()
                for slot, tensors in state.items()
                for name, tensor in tensors.items()
            },
        )

    def by_cell(self, tensor: Tensor, cells: int) -> Tensor:
        """Values of the lanes in the cells' places; of zeros for a cell without a lane."""
        whole = tensor.new_zeros(cells, *tensor.shape[1:])
        whole[self.alive] = tensor[: len(self.alive)]
        return whole

    def content(self) -> Content:
        """What a checkpoint keeps of it."""
        groups: dict[str, Tensors] = {"kept": self.kept, "snapshot": self.snapshots}
        groups["curve"] = {name: torch.from_numpy(curve) for name, curve in self.curves.items()}
        if self.pending:
            groups["pending"] = {"": torch.from_numpy(np.concatenate(self.pending))}
        diverged = [int(step) for step in self.diverged_step]
        return Content(groups, {"step": [self.step], "alive": self.alive, "diverged": diverged})


def blank(pack: Pack, weights: Tensors) -> Records:
    """Nothing done yet; weights: of all lanes before the first step, (lanes, ...)."""
    cells, points = len(pack.cells), len(pack.evaluation_steps)
    return Records(
        step=0,
        alive=list(range(cells)),
        curves={name: np.full((cells, points), np.nan) for name in CURVES},
        diverged_step=np.zeros(cells, dtype=np.int64),
        kept={name: tensor[:cells].clone() for name, tensor in weights.items()},
        snapshots={
            f"{step}/{name}": unknown(tensor[:cells])
            for step in pack.snapshots
            for name, tensor in weights.items()
        },
    )


def continued(begun: Trained, device: torch.device, fewest: int) -> Records:
    """Where a training stands that was stopped at an evaluation, of ``fewest`` lanes at least."""
    dead = [bool(step) for step in begun.diverged_step]

    def own(arrays: dict[str, npt.NDArray[np.generic]]) -> Tensors:
        return {name: torch.from_numpy(array.copy()).to(device) for name, array in arrays.items()}

    return Records(
        step=int(begun.until[0]),
        alive=without_dead(range(len(dead)), dead, fewest),
        curves={name: curve.copy() for name, curve in begun.curves.items()},
        diverged_step=begun.diverged_step.copy(),
        kept=own(begun.weights),
        snapshots=own(begun.snapshots),
    )


def restored(content: Content) -> Records:
    """The reverse of ``Records.content``."""
    groups, numbers = content.groups, content.numbers
    return Records(
        step=numbers["step"][0],
        alive=list(numbers["alive"]),
        curves={name: tensor.cpu().numpy() for name, tensor in groups["curve"].items()},
        diverged_step=np.array(numbers["diverged"], dtype=np.int64),
        kept=dict(groups["kept"]),
        snapshots=dict(groups.get("snapshot", {})),
        pending=[tensor.cpu().numpy() for tensor in groups.get("pending", {}).values()],
    )


def unknown(tensor: Tensor) -> Tensor:
    """A tensor of the same kind full of NaN; of zeros where it holds whole numbers."""
    return torch.full_like(tensor, torch.nan if tensor.is_floating_point() else 0)
