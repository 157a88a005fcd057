"""The lane engine: all cells of a pack as one training.

Steps run in chunks between evaluations. Lanes cannot harm each other, so nobody looks for
divergence inside a chunk: the losses of every step tell afterwards when a lane diverged, and a
diverged lane gives back the weights of its last evaluation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.data.tensors import Dataset
from pipeline.engine import seeds, update
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.lanes import (
    Lanes,
    Tensors,
    dense,
    losses_and_scores,
    norms,
    picked,
    predictor,
    stacked,
)
from pipeline.engine.losses import DIVERGED_LOSS
from pipeline.engine.pack import CURVES, FINALS, Pack, Trained, first_cell
from pipeline.engine.schedule import rate_factor
from pipeline.engine.steps import Captured, Graphs, Step, Trainee, compiled, make_step, run_steps

CHUNK_STEPS = 256
CHUNK_BYTES = 1 << 24
COMPACT_BELOW = 0.7
Floats = npt.NDArray[np.float64]


@dataclass
class Progress:
    """Where a training stands; axis 0 of the curves is the cell, of ``pending`` the step.

    alive: the cells that the current lanes train, in lane order; pending: the losses since the
    last evaluation; kept: the weights of each cell's last evaluation; snapshots: those at the
    pack's snapshots, by "step/name".
    """

    step: int
    alive: list[int]
    curves: dict[str, Floats]
    diverged_step: npt.NDArray[np.int64]
    kept: dict[str, Tensor]
    snapshots: dict[str, Tensor]
    pending: list[Floats] = field(default_factory=list)


def train(
    pack: Pack,
    data: Dataset,
    on_steps: Callable[[int], None],
    engine: str,
    micro: int = 1,
    checkpoint: Checkpoint | None = None,
    graphs: Graphs | None = None,
) -> Trained:
    """Train the pack's cells as lanes, from its checkpoint if there is one.

    A pack of one cell trains it twice and drops the twin: a lone lane would take other kernels.
    Pieces of one pack share ``graphs``.
    """
    graphs = {} if graphs is None else graphs
    if len(pack.cells) == 1:
        twins = pack.part([0, 0])
        return first_cell(train(twins, data, on_steps, engine, micro, checkpoint, graphs))
    run = Run(pack, data, engine, micro, checkpoint, graphs)
    while run.progress.step < pack.steps and run.progress.alive:
        before = run.progress.step
        run.advance()
        on_steps((run.progress.step - before) * len(set(pack.cells)))
    on_steps((pack.steps - run.progress.step) * len(set(pack.cells)))
    return run.result()


class Run:
    """One pack in training."""

    def __init__(
        self,
        pack: Pack,
        data: Dataset,
        engine: str,
        micro: int,
        checkpoint: Checkpoint | None,
        graphs: Graphs,
    ) -> None:
        self.pack, self.data, self.engine, self.micro = pack, data, engine, micro
        self.checkpoint, self.graphs = checkpoint, graphs
        self.order = Order(pack, data.train.x.device)
        lanes = stacked(pack, pack.cells, data)
        state = update.initial_slots(pack.settings.optimizer, lanes.params)
        self.progress = self.start(lanes)
        saved = checkpoint.load(data.train.x.device) if checkpoint else None
        if saved:
            lanes, state = self.restore(lanes, saved)
        self.use(Trainee(lanes, state, {}))

    def start(self, lanes: Lanes) -> Progress:
        """Nothing done yet."""
        cells, points = len(lanes), len(self.pack.evaluation_steps)
        weights = lanes.weights()
        return Progress(
            0,
            list(range(cells)),
            {name: np.full((cells, points), np.nan) for name in CURVES},
            np.zeros(cells, dtype=np.int64),
            {name: tensor.clone() for name, tensor in weights.items()},
            {
                f"{step}/{name}": unknown(tensor)
                for step in self.pack.snapshots
                for name, tensor in weights.items()
            },
        )

    def use(self, trainee: Trainee) -> None:
        """Build the step for these lanes."""
        self.trainee = trainee
        optimizer = self.pack.settings.optimizer
        size = self.pack.phase(self.progress.step).batch_size
        step = make_step(trainee, self.data, size, optimizer, self.micro, self.graphs)
        self.step: Step = compiled(step) if self.engine == "compiled" else step
        self.captured = None
        if self.data.train.x.device.type == "cuda":
            quantities = update.table(optimizer, trainee.lanes.rates, [1.0], 1).shape[1]
            self.captured = Captured(self.step, len(trainee.lanes), size, quantities)
            self.captured.capture(trainee)

    def advance(self) -> None:
        """Train as far as one chunk may go, and see who diverged.

        The step of an evaluation is a chunk of its own, so that its update can be measured.
        """
        progress, pack = self.progress, self.pack
        evaluation = next(step for step in pack.evaluation_steps if step > progress.step)
        is_evaluated = progress.step == evaluation - 1
        furthest = evaluation if is_evaluated else evaluation - 1
        phase = pack.phase(progress.step)
        if progress.step == phase.first_step > 0:
            self.use(self.trainee)
        last = min(furthest, phase.end, progress.step + self.order.chunk_steps)
        params = self.trainee.lanes.params if is_evaluated else {}
        before = {name: tensor.clone() for name, tensor in params.items()}
        losses = self.run_to(last)
        progress.pending.append(losses)
        self.mark_diverged(losses)
        progress.step = last
        if is_evaluated and progress.alive:
            self.evaluate(pack.evaluation_steps.index(evaluation), before)
        if progress.step < pack.steps:
            self.compact()
        last_step = progress.step == pack.steps
        # with no lane left there would be nothing to go on with
        if self.checkpoint and progress.alive and self.checkpoint.is_due(last_step):
            self.checkpoint.save(*self.saved())

    def run_to(self, last: int) -> Floats:
        """Run the steps up to ``last``; losses (steps, lanes)."""
        lanes, schedule = self.trainee.lanes, self.pack.settings.schedule
        numbers = range(self.progress.step + 1, last + 1)
        factors = [rate_factor(schedule, number, self.pack.steps) for number in numbers]
        optimizer = self.pack.settings.optimizer
        table = update.table(optimizer, lanes.rates, factors, numbers[0])
        rows = self.order.rows(lanes, numbers)
        steps = torch.tensor(numbers, device=rows.device)
        with torch.no_grad():
            return run_steps(self.step, self.captured, rows, table, steps).cpu().double().numpy()

    def mark_diverged(self, losses: Floats) -> None:
        """Note the first step of each living lane whose loss is not finite or beyond the bound."""
        bad = ~(losses <= DIVERGED_LOSS)
        for lane in np.flatnonzero(bad.any(axis=0)):
            cell = self.progress.alive[lane]
            if not self.progress.diverged_step[cell]:
                first = self.progress.step + 1 + int(bad[:, lane].argmax())
                self.progress.diverged_step[cell] = first

    def evaluate(self, point: int, before: Tensors) -> None:
        """Fill column ``point`` of the living cells' curves and keep their weights.

        before: the parameters before the last step; overwritten.
        """
        progress, lanes = self.progress, self.trainee.lanes
        losses = np.concatenate(progress.pending)
        progress.pending = []
        with np.errstate(invalid="ignore", over="ignore"):  # lanes that have died meanwhile
            mean, spread = losses.mean(0), losses.std(0)
        gradients = {name: dense(own) for name, own in self.trainee.gradients.items()}
        all_norms = [norms(gradients), *weight_norms(lanes.params, before)]
        self.trainee.gradients.clear()  # their factors are as large as a step's activations
        val_loss, val_score = losses_and_scores(
            predictor(lanes), len(lanes), self.data.val, self.data.task
        )
        values = (mean, spread, val_loss.numpy(), val_score.numpy())
        weights = lanes.weights()
        for lane, cell in enumerate(progress.alive):
            if progress.diverged_step[cell]:
                continue
            if not val_loss[lane] <= DIVERGED_LOSS:
                progress.diverged_step[cell] = progress.step
                continue
            for name, value in zip(CURVES, (*values, *all_norms), strict=True):
                progress.curves[name][cell, point] = value[lane]
            for name, tensor in weights.items():
                progress.kept[name][cell] = tensor[lane]
                if progress.step in self.pack.snapshots:
                    progress.snapshots[f"{progress.step}/{name}"][cell] = tensor[lane]

    def compact(self) -> None:
        """Drop the dead lanes once they are many; at least two lanes stay."""
        progress = self.progress
        living = [k for k, cell in enumerate(progress.alive) if not progress.diverged_step[cell]]
        if not living:
            progress.alive = []
        elif len(living) <= COMPACT_BELOW * len(progress.alive) and not progress.pending:
            dead = [k for k in range(len(progress.alive)) if k not in living]
            kept = sorted([*living, *dead[: max(0, 2 - len(living))]])
            if len(kept) < len(progress.alive):
                progress.alive = [progress.alive[k] for k in kept]
                index = torch.tensor(kept, device=self.data.train.x.device)
                state = {slot: picked(own, index) for slot, own in self.trainee.state.items()}
                self.use(Trainee(self.trainee.lanes.take(index), state, {}))

    def result(self) -> Trained:
        """The outcome of every cell."""
        progress, lanes, cells = self.progress, self.trainee.lanes, len(self.pack.cells)
        finals = {name: np.full(cells, np.nan) for name in FINALS}
        loss, score = losses_and_scores(
            predictor(lanes), len(lanes), self.data.train, self.data.task
        )
        for lane, cell in enumerate(progress.alive):
            if not progress.diverged_step[cell]:
                last = [progress.curves[name][cell, -1] for name in ("val_loss", "val_score")]
                for name, value in zip(FINALS, (loss[lane], score[lane], *last), strict=True):
                    finals[name][cell] = value
        kept, snapshots = (
            {name: tensor.cpu().numpy() for name, tensor in group.items()}
            for group in (progress.kept, progress.snapshots)
        )
        return Trained(
            tuple(self.pack.evaluation_steps), progress.curves, finals, progress.diverged_step,
            kept, snapshots, np.full(cells, self.engine), np.full(cells, self.micro),
        )  # fmt: skip

    def saved(self) -> tuple[dict[str, Tensor], dict[str, list[int] | int]]:
        """Everything a later process needs to go on: tensors, and small numbers."""
        progress, trainee = self.progress, self.trainee
        groups = {"param": trainee.lanes.params, "buffer": trainee.lanes.buffers}
        groups |= {f"slot {slot}": own for slot, own in trainee.state.items()}
        groups |= {"kept": progress.kept, "snapshot": progress.snapshots}
        groups |= {"curve": {k: torch.from_numpy(v) for k, v in progress.curves.items()}}
        if progress.pending:
            groups["pending"] = {"": torch.from_numpy(np.concatenate(progress.pending))}
        tensors = {f"{group}|{name}": t for group, own in groups.items() for name, t in own.items()}
        diverged = [int(step) for step in progress.diverged_step]
        return tensors, {"step": progress.step, "alive": progress.alive, "diverged": diverged}

    def restore(
        self, lanes: Lanes, saved: tuple[dict[str, Tensor], dict[str, list[int] | int]]
    ) -> tuple[Lanes, dict[str, dict[str, Tensor]]]:
        """Put a checkpoint's content in place; the lanes and optimizer state to go on with."""
        tensors, numbers = saved
        groups: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            group, name = key.split("|", 1)
            groups.setdefault(group, {})[name] = tensor
        alive, diverged = numbers["alive"], numbers["diverged"]
        assert isinstance(alive, list)
        assert isinstance(numbers["step"], int)
        lanes = lanes.take(torch.tensor(alive, device=lanes.rates.device, dtype=torch.int64))
        lanes.params.update(groups["param"])
        lanes.buffers.update(groups.get("buffer", {}))
        self.progress = Progress(
            numbers["step"], alive, {k: v.cpu().numpy() for k, v in groups["curve"].items()},
            np.array(diverged, dtype=np.int64), groups["kept"], groups.get("snapshot", {}),
            [t.cpu().numpy() for t in groups.get("pending", {}).values()],
        )  # fmt: skip
        slots = update.slots(self.pack.settings.optimizer)
        return lanes, {slot: groups[f"slot {slot}"] for slot in slots}


def unknown(tensor: Tensor) -> Tensor:
    """A tensor of the same kind full of NaN; of zeros where it holds whole numbers."""
    return torch.full_like(tensor, torch.nan if tensor.is_floating_point() else 0)


def weight_norms(params: Tensors, before: Tensors) -> list[Tensor]:
    """Per lane: length of the weights, largest weight, length of the last update over that of the
    weights before it. ``before`` is overwritten."""
    length = norms(before)
    for name, tensor in before.items():
        tensor.sub_(params[name])
    return [norms(params), norms(params, torch.inf), norms(before) / length]


class Order:
    """Which rows each lane sees at each step."""

    def __init__(self, pack: Pack, device: torch.device) -> None:
        self.pack, self.device = pack, device
        self.epoch = -1
        self.orders = torch.empty(0, dtype=torch.int64)
        bytes_per_step = 8 * pack.largest_batch_size * max(1, len(pack.cells))
        self.chunk_steps = max(1, min(CHUNK_STEPS, CHUNK_BYTES // bytes_per_step))

    def rows(self, lanes: Lanes, numbers: Sequence[int]) -> Tensor:
        """Rows (steps, lanes, batch), int64 on the device, of these consecutive steps (from 1)."""
        by_seed = torch.stack([self.batch(lanes.seeds, number - 1) for number in numbers])
        return by_seed.to(self.device)[:, lanes.seed_index]

    def batch(self, of_seeds: tuple[int, ...], number: int) -> Tensor:
        """Rows (seeds, batch) of a step (from 0); each epoch's orders are drawn once."""
        phase = self.pack.phase(number)
        size = phase.batch_size
        epochs, place = divmod(number - phase.first_step, self.pack.examples // size)
        epoch = phase.first_epoch + epochs
        if epoch != self.epoch:
            base, examples = self.pack.settings.seed, self.pack.examples
            orders = [seeds.data_order(base, seed, epoch, examples) for seed in of_seeds]
            self.epoch, self.orders = epoch, torch.stack(orders)
        return self.orders[:, place * size : (place + 1) * size]
