"""The lane engine: all cells of a pack as one training.

Steps run in chunks between evaluations; a diverged lane gives back the weights of its last
evaluation.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.lanes import records, rules
from pipeline.lanes.checkpoint import Content
from pipeline.lanes.interpreter import Program, as_written, recorded_program
from pipeline.lanes.job import Job
from pipeline.lanes.lanes import Lanes, Tensors, dense, norms, padded, predictor, stacked
from pipeline.lanes.order import Order
from pipeline.lanes.step import Captured, Step, Trainee, compiled, make_step, run_steps
from pipeline.models.precision import products_in
from pipeline.training.learning_rate import factor_at, squared_factors
from pipeline.training.losses import losses_and_scores
from pipeline.training.pack import CURVES, TRAINED, Pack, Trained

Floats = npt.NDArray[np.float64]


def train_lanes(pack: Pack, job: Job) -> Trained:
    """Train the pack's cells as lanes, from their checkpoint if there is one."""
    run = Run(pack, job)
    cells = len(pack.cells)
    while run.records.step < pack.end and run.records.alive:
        before = run.records.step
        run.advance()
        job.on_steps((run.records.step - before) * cells)
    job.on_steps((pack.end - run.records.step) * cells)
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
        """The lanes before their first step, or where they were stopped before."""
        if self.pack.begun:
            fewest = self.job.plan.fewest
            self.records = records.continued(self.pack.begun, self.order.device, fewest)
            return self.go_on(self.pack.begun)
        cells = padded(self.pack.cells, self.job.plan.fewest)
        lanes = stacked(self.pack, cells, self.data)
        self.records = records.blank(self.pack, lanes.weights())
        return Trainee(lanes, rules.initial_slots(self.pack.settings.optimizer, lanes.params), {})

    def go_on(self, begun: Trained) -> Trainee:
        """The lanes of the cells that are alive, as they were when they were stopped."""
        alive = padded(self.records.alive, self.job.plan.fewest)
        lanes = stacked(self.pack, [self.pack.cells[cell] for cell in alive], self.data)

        def of_lanes(array: npt.NDArray[np.generic]) -> torch.Tensor:
            # a copy, aligned as torch aligns its own
            return torch.from_numpy(array[alive]).clone().to(self.order.device)

        for group in (lanes.params, lanes.buffers):
            known = group.keys() & begun.weights.keys()
            group.update({name: of_lanes(begun.weights[name]) for name in group if name in known})
        if self.pack.settings.optimizer.averages:
            trained = {name: of_lanes(begun.state[f"{TRAINED}/{name}"]) for name in lanes.params}
            lanes.params.update(trained)
        state = {
            slot: {name: of_lanes(begun.state[f"{slot}/{name}"]) for name in lanes.params}
            for slot in rules.slot_names(self.pack.settings.optimizer)
        }
        return Trainee(lanes, state, {})

    def restore(self, content: Content) -> Trainee:
        """The lanes and records of a checkpoint."""
        self.records = records.restored(content)
        alive = padded(self.records.alive, self.job.plan.fewest)
        lanes = stacked(self.pack, [self.pack.cells[cell] for cell in alive], self.data)
        lanes.params.update(content.groups["param"])
        lanes.buffers.update(content.groups.get("buffer", {}))
        state = {  # in the parameters' order, which the file has not kept
            slot: {name: content.groups[f"slot {slot}"][name] for name in lanes.params}
            for slot in rules.slot_names(self.pack.settings.optimizer)
        }
        return Trainee(lanes, state, {})

    def content(self) -> Content:
        """Everything a later process needs to go on."""
        lanes, content = self.trainee.lanes, self.records.content()
        slots = {f"slot {slot}": tensors for slot, tensors in self.trainee.state.items()}
        groups = {"param": lanes.params, "buffer": lanes.buffers, **slots, **content.groups}
        return Content(groups, content.numbers)

    def use(self, trainee: Trainee) -> None:
        """Build the step for these lanes."""
        self.trainee, engine = trainee, self.job.plan.engine
        is_cuda = self.data.train.x.device.type == "cuda"
        self.step: Step
        if engine == "traced" and not is_cuda:
            self.step = self.program().step_of(trainee)
        else:
            step = self.plain_step(trainee)
            self.step = compiled(step) if engine == "compiled" else step
        self.captured = None
        if is_cuda:
            quantities = self.update_table([1.0], 1).shape[1]
            self.captured = Captured(self.step, len(trainee.lanes), self.batch_size, quantities)
            with products_in(self.pack.settings.model.precision):
                self.captured.capture(trainee)

    @property
    def batch_size(self) -> int:
        """That of the next step."""
        return self.pack.phase(self.records.step).batch_size

    def plain_step(self, trainee: Trainee) -> Step:
        """A trainee's step as plain operations."""
        settings, micro = self.pack.settings, self.job.plan.micro_batches
        return make_step(trainee, self.data, self.batch_size, settings, micro)

    def program(self) -> Program:
        """The step's program, recorded unless another piece of the pack has recorded it."""
        shape = (len(self.trainee.lanes), self.batch_size)
        key = (*shape, self.job.plan.micro_batches)
        if key not in self.job.programs:
            rows, now = torch.zeros(shape, dtype=torch.int64), self.update_table([1.0], 1)[0]
            self.job.programs[key] = recorded_program(self.trainee, self.plain_step, rows, now)
        return self.job.programs[key]

    def update_table(self, factors: Sequence[float], first_step: int) -> torch.Tensor:
        """``rules.table`` of these lanes, from ``first_step`` on with these factors of the rate."""
        settings, rates = self.pack.settings, self.trainee.lanes.rates
        before = squared_factors(settings.schedule, first_step - 1)
        return rules.table(settings.optimizer, rates, factors, first_step, before)

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
        if self.checkpoint and self.records.alive and self.checkpoint.is_due(last == pack.end):
            self.checkpoint.save(self.content())

    def losses_of_steps(self, numbers: range) -> Floats:
        """Take the steps of these numbers (from 1); their losses (steps, lanes)."""
        factors = [factor_at(self.pack, number) for number in numbers]
        table = self.update_table(factors, numbers[0])
        rows = self.order.rows(self.trainee.lanes, numbers)
        steps = torch.tensor(numbers, device=rows.device)
        with torch.no_grad(), as_written(), products_in(self.pack.settings.model.precision):
            return run_steps(self.step, self.captured, rows, table, steps).cpu().double().numpy()

    def evaluate(self, point: int, before: Tensors) -> None:
        """Record the evaluation at place ``point``; before: the parameters before the last step,
        overwritten."""
        lanes = self.trainee.lanes
        mean, spread = self.records.take_losses_of_interval()
        gradients = {name: dense(gradient) for name, gradient in self.trainee.gradients.items()}
        lengths = [norms(gradients), *weight_norms(lanes.params, before)]
        self.trainee.gradients.clear()  # their factors are as large as a step's activations
        solution = self.solution()
        val_loss, val_score = losses_and_scores(
            predictor(solution), len(lanes), self.data.val, self.data.task
        )
        values = (mean, spread, val_loss.numpy(), val_score.numpy(), *lengths)
        by_name: dict[str, Any] = dict(zip(CURVES, values, strict=True))
        self.records.take_evaluation(point, by_name, solution.weights())

    def solution(self) -> Lanes:
        """The lanes with the weights that are evaluated and kept: the averaged ones where there are
        any, beside the buffers as they are."""
        average = self.trainee.state.get(rules.AVERAGE)
        return replace(self.trainee.lanes, params=average) if average else self.trainee.lanes

    def forget_dead(self) -> None:
        """Go on with fewer lanes where many are dead; the last ones of a training stay."""
        if self.records.step == self.pack.end:
            return
        places = self.records.drop_dead(self.job.plan.fewest)
        if places is not None:
            self.use(self.trainee.take(torch.tensor(places, device=self.data.train.x.device)))

    def trained(self) -> Trained:
        """The outcome of every cell; what it ends with is looked at where its budget is over."""
        plan, pack, state = self.job.plan, self.pack, self.trainee.state
        ends, solution = None, self.solution()
        if pack.end == pack.steps:
            of_train = (len(solution), self.data.train, self.data.task)
            ends = losses_and_scores(predictor(solution), *of_train)
        if rules.AVERAGE in state:  # with which alone nothing could go on
            state = {**state, TRAINED: self.trainee.lanes.params}
        return self.records.trained(pack, ends, state, (plan.engine, plan.micro_batches))


def weight_norms(params: Tensors, before: Tensors) -> list[torch.Tensor]:
    """Per lane: length of the weights, largest weight, length of the last update over that of the
    weights before it. ``before`` is overwritten."""
    length = norms(before)
    for name, tensor in before.items():
        tensor.sub_(params[name])
    return [norms(params), norms(params, torch.inf), norms(before) / length]
