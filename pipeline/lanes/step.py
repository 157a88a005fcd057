"""One training step of all lanes, by engine.

    traced    the recorded gradient graph, then the update rule, operation by operation; on a CPU
              as a program without Python (``interpreter``)
    compiled  both as one function through torch.compile, parameters updated in place

On CUDA either is captured in a graph that replays many steps at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.lanes import gradients
from pipeline.lanes.gradients import Batch
from pipeline.lanes.lanes import Gradient, Lanes, Tensors, dense, picked
from pipeline.lanes.rules import RULES, clipped, update
from pipeline.models.build import matrices
from pipeline.params.augmentation import Augmentation
from pipeline.params.settings import Settings
from pipeline.training import augmentation as augment
from pipeline.training.dataset import Dataset
from pipeline.training.losses import targets_of

GRAPH_STEPS = 16


@dataclass(frozen=True)
class Trainee:
    """What a step changes: the lanes' weights, the optimizer's state, the last gradients."""

    lanes: Lanes
    state: dict[str, Tensors]
    gradients: dict[str, Gradient]

    def take(self, index: Tensor) -> "Trainee":
        """Copies of the given lanes' weights and state."""
        state = {slot: picked(tensors, index) for slot, tensors in self.state.items()}
        return Trainee(self.lanes.take(index), state, {})

    def copy(self) -> "Trainee":
        """Copies of all lanes' weights and state."""
        return self.take(torch.arange(len(self.lanes), device=self.lanes.rates.device))

    def tensors(self) -> list[Tensor]:
        """All that a step reads of it, in a fixed order."""
        lanes = self.lanes
        groups = [lanes.params, lanes.buffers, lanes.dropout, *self.state.values()]
        return [lanes.keys, *(tensor for group in groups for tensor in group.values())]


Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(rows (lanes, batch), row of the update table, step number) to mean losses (lanes,)."""


def micro_batches(rows: Tensor, count: int) -> tuple[Tensor, ...]:
    """Split a batch's columns into at most ``count`` parts of nearly equal size."""
    return rows.tensor_split(count, dim=1) if count > 1 else (rows,)


def make_step(
    trainee: Trainee,
    data: Dataset,
    batch_size: int,
    settings: Settings,
    micro: int,
) -> Step:
    """The step as plain operations; micro-batches add up to the gradient of the whole batch."""
    lanes, device, optimizer = trainee.lanes, data.train.x.device, settings.optimizer
    batch = batch_maker(data, settings.augmentation, lanes.keys)
    sample = torch.zeros(len(lanes), batch_size, dtype=torch.int64, device=device)
    first = torch.ones((), dtype=torch.int64, device=device)
    by_size = {part.shape[1]: part for part in micro_batches(sample, micro)}
    graphs = {
        size: gradients.traced(gradients.trace(lanes, batch(part, first), data.task))
        for size, part in by_size.items()
    }

    is_split = RULES[optimizer.name].matrix_step is not None
    hidden = matrices(lanes.model) if is_split else frozenset()

    def step(rows: Tensor, now: Tensor, number: Tensor) -> Tensor:
        trainee.gradients.clear()  # their factors are the last step's activations
        total: dict[str, Gradient] = {}
        losses = torch.zeros(len(rows), device=rows.device)
        for part in micro_batches(rows, micro):
            share = part.shape[1] / batch_size
            gradients_of = graphs[part.shape[1]]
            part_gradients, part_losses, buffers = gradients_of(lanes, batch(part, number))
            for name, tensor in buffers.items():
                lanes.buffers[name].copy_(tensor)
            losses = losses + part_losses * share if micro > 1 else part_losses
            for name, gradient in part_gradients.items():
                total[name] = added(total.get(name), gradient, share)
        total = clipped(optimizer, total)
        update(optimizer, lanes.params, total, trainee.state, now, hidden)
        trainee.gradients.update(total)
        return losses

    return step


def batch_maker(
    data: Dataset, augmentation: Augmentation, keys: Tensor
) -> Callable[[Tensor, Tensor], Batch]:
    """Rows (lanes, batch), or places of augmented examples, and a step's number to the batch of
    these examples; keys: the lanes'."""
    x, y = data.train.x.flatten(1), data.train.y
    if augmentation.shift:
        windows, context = x.shape
        stream_x, stream_y = x.reshape(-1, 1), y.reshape(-1, 1)

        def shifted(places: Tensor, number: Tensor) -> Batch:
            tokens = augment.shifted(keys, places, windows, context)
            inputs, targets = (
                functional.embedding(tokens, stream)[..., 0].long()
                for stream in (stream_x, stream_y)
            )
            return Batch(inputs, targets, number)

        return shifted
    if data.task == "language":  # whole numbers of few bytes until they are looked up
        return lambda rows, number: Batch(
            functional.embedding(rows, x).long(), functional.embedding(rows, y).long(), number
        )
    y = targets_of(y, data.outputs, data.task)

    def batch(places: Tensor, number: Tensor) -> Batch:
        rows = places % len(x) if augmentation else places
        # a lookup of whole rows is several times as fast as indexing on a CPU
        inputs = functional.embedding(rows, x).view(*rows.shape, *data.shape)
        if augmentation:
            inputs = augment.changed(inputs, augmentation, keys, places)
        return Batch(inputs, functional.embedding(rows, y), number)

    return batch


def added(total: Gradient | None, part: Gradient, share: float) -> Gradient:
    """``total + share * part``; a whole batch's gradient stays as it is."""
    if share == 1:
        return part
    return dense(part) * share if total is None else dense(total).add_(dense(part), alpha=share)


def compiled(step: Step) -> Step:
    """The step through torch.compile, specialised to its shapes.

    What was compiled before is forgotten: one step lives at a time, and torch gives up on a
    function that it had to compile for too many shapes.
    """
    torch._dynamo.reset()
    return torch.compile(step, dynamic=False, fullgraph=True)


class Captured:
    """A step recorded in a CUDA graph, GRAPH_STEPS steps a replay; the rest run one by one.

    The graph reads rows, table rows and step numbers from fixed places and writes the losses to
    one, so that a replay needs no word from Python.
    """

    def __init__(self, step: Step, lanes: int, batch_size: int, quantities: int) -> None:
        self.step = step
        device = torch.device("cuda")
        self.rows = torch.zeros(GRAPH_STEPS, lanes, batch_size, dtype=torch.int64, device=device)
        self.table = torch.zeros(GRAPH_STEPS, quantities, lanes, device=device)
        self.numbers = torch.ones(GRAPH_STEPS, dtype=torch.int64, device=device)
        self.losses = torch.zeros(GRAPH_STEPS, lanes, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def capture(self, trainee: Trainee) -> None:
        """Record GRAPH_STEPS steps; the weights and state are put back afterwards."""
        mutable = [*trainee.lanes.params.values(), *trainee.lanes.buffers.values()]
        mutable += [tensor for slot in trainee.state.values() for tensor in slot.values()]
        before = [tensor.clone() for tensor in mutable]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries allocate their workspaces before the capture
            for _ in range(3):
                self.step(self.rows[0], self.table[0], self.numbers[0])
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for k in range(GRAPH_STEPS):
                self.losses[k] = self.step(self.rows[k], self.table[k], self.numbers[k])
        for tensor, old in zip(mutable, before, strict=True):
            tensor.copy_(old)

    def run(self, rows: Tensor, table: Tensor, numbers: Tensor) -> Tensor:
        """GRAPH_STEPS steps at once: rows (GRAPH_STEPS, lanes, batch) and so on."""
        assert self.graph is not None
        self.rows.copy_(rows)
        self.table.copy_(table)
        self.numbers.copy_(numbers)
        self.graph.replay()
        return self.losses.clone()


def run_steps(
    step: Step, captured: Captured | None, rows: Tensor, table: Tensor, numbers: Tensor
) -> Tensor:
    """Run consecutive steps: rows (steps, lanes, batch); losses (steps, lanes)."""
    losses, at = [], 0
    while captured is not None and at + GRAPH_STEPS <= len(rows):
        part = slice(at, at + GRAPH_STEPS)
        losses.append(captured.run(rows[part], table[part], numbers[part]))
        at += GRAPH_STEPS
    for k in range(at, len(rows)):
        losses.append(step(rows[k], table[k], numbers[k])[None])
    return torch.cat(losses)
