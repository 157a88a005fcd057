"""The lane engine: all cells of a pack as one training.

Steps run in chunks between evaluations; a diverged lane gives back the weights of its last
evaluation.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.lanes import records, rules
from pipeline.lanes.checkpoint import Content
from pipeline.lanes.job import Job
from pipeline.lanes.lanes import Tensors, dense, norms, picked, predictor, stacked
from pipeline.lanes.order import Order
from pipeline.lanes.step import Captured, Step, Trainee, compiled, make_step, run_steps
from pipeline.training.learning_rate import rate_factor
from pipeline.training.losses import losses_and_scores
from pipeline.training.pack import CURVES, Pack, Trained

Floats = npt.NDArray[np.float64]


def train_lanes(pack: Pack, job: Job) -> Trained:
    """Train the pack's cells as lanes, from their checkpoint if there is one."""
    run = Run(pack, job)
    cells = len(pack.cells)
    while run.records.step < pack.steps and run.records.alive:
        before = run.records.step
        run.advance()
        job.on_steps((run.records.step - before) * cells)
    job.on_steps((pack.steps - run.records.step) * cells)
    return run.trained()


class Run:
    """One pack in training: its lanes, and the records of its cells."""

    def __init__(self, pack: Pack, job: Job) -> None:
        self.pack, self.job, self.data = pack, job, job.data
        device = job.data.train.x.device
        self.order = Order(pack, device)
        self.checkpoint = job.checkpoint(pack)
        content = self.checkpoint.load(device) if self.checkpoint else None
        self.use(self.restore(content) if content else self.start())

    def start(self) -> Trainee:
        """The lanes before their first step, with blank records."""
        lanes = stacked(self.pack, self.pack.cells, self.data)
        self.records = records.blank(self.pack, lanes.weights())
        return Trainee(lanes, rules.initial_slots(self.pack.settings.optimizer, lanes.params), {})

    def restore(self, content: Content) -> Trainee:
        """The lanes and records of a checkpoint."""
        self.records = records.restored(content)
        alive = [self.pack.cells[cell] for cell in self.records.alive]
        lanes = stacked(self.pack, alive, self.data)
        lanes.params.update(content.groups["param"])
        lanes.buffers.update(content.groups.get("buffer", {}))
        slots = rules.slot_names(self.pack.settings.optimizer)
        return Trainee(lanes, {slot: dict(content.groups[f"slot {slot}"]) for slot in slots}, {})

    def content(self) -> Content:
        """Everything a later process needs to go on."""
        lanes, content = self.trainee.lanes, self.records.content()
        slots = {f"slot {slot}": tensors for slot, tensors in self.trainee.state.items()}
        groups = {"param": lanes.params, "buffer": lanes.buffers, **slots, **content.groups}
        return Content(groups, content.numbers)

    def use(self, trainee: Trainee) -> None:
        """Build the step for these lanes."""
        self.trainee = trainee
        optimizer, plan = self.pack.settings.optimizer, self.job.plan
        size = self.pack.phase(self.records.step).batch_size
        step = make_step(trainee, self.data, size, optimizer, plan.micro_batches, self.job.graphs)
        self.step: Step = compiled(step) if plan.engine == "compiled" else step
        self.captured = None
        if self.data.train.x.device.type == "cuda":
            quantities = rules.table(optimizer, trainee.lanes.rates, [1.0], 1).shape[1]
            self.captured = Captured(self.step, len(trainee.lanes), size, quantities)
            self.captured.capture(trainee)

    def advance(self) -> None:
        """Train as far as one chunk may go, see who diverged, and keep a checkpoint if one is due.

        The step of an evaluation is a chunk of its own, so that its update can be measured.
        """
        done, pack = self.records.step, self.pack
        evaluation = next(step for step in pack.evaluation_steps if step > done)
        is_evaluated = done == evaluation - 1
        furthest = evaluation if is_evaluated else evaluation - 1
        phase = pack.phase(done)
        if done == phase.first_step > 0:
            self.use(self.trainee)
        params = self.trainee.lanes.params if is_evaluated else {}
        before = {name: tensor.clone() for name, tensor in params.items()}
        last = min(furthest, phase.end, done + self.order.chunk_steps)
        self.records.take_losses(self.losses_of_steps(range(done + 1, last + 1)))
        if is_evaluated and self.records.alive:
            self.evaluate(pack.evaluation_steps.index(evaluation), before)
        self.forget_dead()
        # with no lane left there would be nothing to go on with
        if self.checkpoint and self.records.alive and self.checkpoint.is_due(last == pack.steps):
            self.checkpoint.save(self.content())

    def losses_of_steps(self, numbers: range) -> Floats:
        """Take the steps of these numbers (from 1); their losses (steps, lanes)."""
        lanes, schedule = self.trainee.lanes, self.pack.settings.schedule
        factors = [rate_factor(schedule, number, self.pack.steps) for number in numbers]
        table = rules.table(self.pack.settings.optimizer, lanes.rates, factors, numbers[0])
        rows = self.order.rows(lanes, numbers)
        steps = torch.tensor(numbers, device=rows.device)
        with torch.no_grad():
            return run_steps(self.step, self.captured, rows, table, steps).cpu().double().numpy()

    def evaluate(self, point: int, before: Tensors) -> None:
        """Record the evaluation at place ``point``; before: the parameters before the last step,
        overwritten."""
        lanes = self.trainee.lanes
        mean, spread = self.records.take_losses_of_interval()
        gradients = {name: dense(gradient) for name, gradient in self.trainee.gradients.items()}
        lengths = [norms(gradients), *weight_norms(lanes.params, before)]
        self.trainee.gradients.clear()  # their factors are as large as a step's activations
        val_loss, val_score = losses_and_scores(
            predictor(lanes), len(lanes), self.data.val, self.data.task
        )
        values = (mean, spread, val_loss.numpy(), val_score.numpy(), *lengths)
        by_name: dict[str, Any] = dict(zip(CURVES, values, strict=True))
        self.records.take_evaluation(point, by_name, lanes.weights())

    def forget_dead(self) -> None:
        """Go on with fewer lanes where many are dead; the last ones of a training stay."""
        places = self.records.drop_dead() if self.records.step < self.pack.steps else None
        if places is not None:
            index = torch.tensor(places, device=self.data.train.x.device)
            state = {slot: picked(slots, index) for slot, slots in self.trainee.state.items()}
            self.use(Trainee(self.trainee.lanes.take(index), state, {}))

    def trained(self) -> Trained:
        """The outcome of every cell."""
        lanes, plan = self.trainee.lanes, self.job.plan
        loss, score = losses_and_scores(
            predictor(lanes), len(lanes), self.data.train, self.data.task
        )
        return self.records.trained(self.pack, loss, score, plan.engine, plan.micro_batches)


def weight_norms(params: Tensors, before: Tensors) -> list[torch.Tensor]:
    """Per lane: length of the weights, largest weight, length of the last update over that of the
    weights before it. ``before`` is overwritten."""
    length = norms(before)
    for name, tensor in before.items():
        tensor.sub_(params[name])
    return [norms(params), norms(params, torch.inf), norms(before) / length]
