"""The plain engine: one cell after the other, an ordinary PyTorch loop with torch.optim.

It is what the fast engines are compared with, so it shares none of their code; whoever wants to
know what a training here is reads this file.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.models.build import matrices
from pipeline.models.dropout import step_key
from pipeline.models.precision import products_in
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Cell
from pipeline.training import budget, seeds
from pipeline.training.augmentation import batch_of
from pipeline.training.dataset import Dataset, Part
from pipeline.training.learning_rate import factor_at
from pipeline.training.losses import has_diverged, loss_and_score, mean_loss, norm
from pipeline.training.optimizers import Lamb, Lars, Lion, Muon, ScheduleFree
from pipeline.training.pack import CURVES, FINALS, TRAINED, Pack, Trained


@dataclass
class CellRecord:
    """One cell's curves while it trains."""

    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    finals: dict[str, float] = field(default_factory=dict)
    diverged_step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    snapshots: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)


def adam_settings(optimizer: Optimizer) -> dict[str, Any]:
    """What Adam and AdamW are called with, beside the rate."""
    betas = (optimizer.beta1, optimizer.beta2)
    return {"betas": betas, "eps": optimizer.epsilon, "weight_decay": optimizer.weight_decay}


def muon(model: nn.Module, optimizer: Optimizer, lr: float) -> Muon:
    """Muon with the model's hidden matrices."""
    chosen = matrices(model)
    hidden = [parameter for name, parameter in model.named_parameters() if name in chosen]
    return Muon(model.parameters(), hidden, optimizer, lr)


PLAIN: dict[str, Callable[[nn.Module, Optimizer, float], torch.optim.Optimizer]] = {
    "sgd": lambda model, rule, lr: torch.optim.SGD(
        model.parameters(), lr, rule.momentum, weight_decay=rule.weight_decay
    ),
    "nesterov": lambda model, rule, lr: torch.optim.SGD(
        model.parameters(), lr, rule.momentum, weight_decay=rule.weight_decay, nesterov=True
    ),
    "adagrad": lambda model, rule, lr: torch.optim.Adagrad(
        model.parameters(), lr, weight_decay=rule.weight_decay
    ),
    "rmsprop": lambda model, rule, lr: torch.optim.RMSprop(
        model.parameters(), lr, rule.beta2, rule.epsilon, rule.weight_decay, rule.momentum
    ),
    "adam": lambda model, rule, lr: torch.optim.Adam(model.parameters(), lr, **adam_settings(rule)),
    "adamw": lambda model, rule, lr: torch.optim.AdamW(
        model.parameters(), lr, **adam_settings(rule)
    ),
    "schedule_free": lambda model, rule, lr: ScheduleFree(model.parameters(), lr, rule),
    "lion": lambda model, rule, lr: Lion(
        model.parameters(), lr, (rule.beta1, rule.beta2), rule.weight_decay
    ),
    "muon": muon,
    "lars": lambda model, rule, lr: Lars(model.parameters(), lr, rule.momentum, rule.weight_decay),
    "lamb": lambda model, rule, lr: Lamb(model.parameters(), lr, rule.beta2, rule.weight_decay),
}
"""torch's own optimizers for the ``optimizer`` section and a rate, where torch has one."""


def torch_optimizer(model: nn.Module, optimizer: Optimizer, lr: float) -> torch.optim.Optimizer:
    """The optimizer of an ordinary PyTorch loop."""
    return PLAIN[optimizer.name](model, optimizer, lr)


def batches(pack: Pack, cell: Cell) -> Iterator[Tensor]:
    """The places (int64, on the CPU) of each step; a fresh order every epoch and batch size."""
    epoch = 0
    for phase in pack.phases:
        left = phase.steps
        while left > 0:
            order = seeds.places(pack.settings, cell.seed, epoch, pack.examples)
            whole = budget.steps_per_epoch(pack.examples, phase.batch_size)
            yield from order[: whole * phase.batch_size].split(phase.batch_size)[:left]
            left -= whole
            epoch += 1


def train_cells(pack: Pack, data: Dataset, on_steps: Callable[[int], None]) -> Trained:
    """Train every cell of the pack; ``on_steps`` hears how many cell-steps were done."""
    places = range(len(pack.cells))
    return gathered(pack, [train_cell(pack.part([place]), data, on_steps) for place in places])


def unkept(_: Callable[[], Trained]) -> None:
    """Nobody wants to know where a training stands."""


def train_cell(
    pack: Pack,
    data: Dataset,
    on_steps: Callable[[int], None],
    on_evaluated: Callable[[Callable[[], Trained]], None] = unkept,
) -> CellRecord:
    """Train a pack's only cell to its end or to its divergence.

    on_evaluated: hears of every evaluation before the end, with what gives the training up to it.
    torch's global generator, which a user's model may draw from, is seeded for the cell and put
    back afterwards.
    """
    (cell,) = pack.cells
    with torch.random.fork_rng():
        torch.manual_seed(seeds.keyed("global", pack.settings.seed, cell.seed))
        return _train_cell(pack, cell, data, on_steps, on_evaluated)


def _train_cell(
    pack: Pack,
    cell: Cell,
    data: Dataset,
    on_steps: Callable[[int], None],
    on_evaluated: Callable[[Callable[[], Trained]], None],
) -> CellRecord:
    settings = pack.settings
    model = seeds.initial_model(
        settings.model, data.shape, data.outputs, settings.seed, cell.seed
    ).to(data.train.x.device)
    optimizer = torch_optimizer(model, settings.optimizer, cell.lr)
    average = averaged(model, settings.optimizer, optimizer)
    solution = average.module if average else model
    dropout = seeds.dropout_bases(model, settings.seed, cell.seed)
    key = seeds.augmentation_key(settings.seed, cell.seed).to(data.train.x.device)
    record = CellRecord(weights=copied(model))
    if pack.begun:
        record = go_on(pack.begun, model, optimizer, average)

    def so_far(step: int) -> Trained:
        state = remembered(model, optimizer, average)
        return gathered(replace(pack, until=step), [replace(record, state=state)])

    evaluated = set(pack.evaluation_steps)
    steps = enumerate(batches(pack, cell), start=1)
    for step, places in itertools.islice(steps, pack.first_step, pack.end):
        if record.diverged_step:
            on_steps(pack.end - step + 1)
            break
        set_rate(optimizer, cell.lr * factor_at(pack, step))
        set_dropout_keys(model, dropout, step)
        batch = batch_of(data, settings.augmentation, key, places.to(data.train.x.device))
        loss = gradient_step(model, optimizer, batch, data.task, settings.model.precision)
        clip(model, settings.optimizer)
        if has_diverged(loss):
            record.diverged_step = step
            on_steps(pack.end - step + 1)
            break
        before = parameters(model) if step in evaluated else []
        take_step(optimizer, settings.model.precision)
        if average:
            average.update_parameters(model)
        record.losses.append(loss)
        if step in evaluated and not evaluate(model, solution, data, step, record, before):
            on_steps(pack.end - step + 1)
            break
        if step in pack.snapshots:
            record.snapshots |= {f"{step}/{name}": value for name, value in record.weights.items()}
        on_steps(1)
        if step in evaluated and step < pack.end:
            on_evaluated(functools.partial(so_far, step))
    if pack.end == pack.steps:
        finish(solution, data, record)
    record.state = remembered(model, optimizer, average)
    return record


def averaged(
    model: nn.Module, rule: Optimizer, optimizer: torch.optim.Optimizer
) -> AveragedModel | None:
    """torch's average of a model's weights, or the optimizer's own, beside its buffers as they are;
    None where there is none."""
    if isinstance(optimizer, ScheduleFree):
        return AveragedModel(model, multi_avg_fn=optimizer.average)
    if rule.ema:
        return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(rule.ema))
    return None


GENERATOR = "generator"


def remembered(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: AveragedModel | None
) -> dict[str, Tensor]:
    """What a training that is stopped needs, beside its solution, to go on: the optimizer's state,
    that of the device's global generator, and the model's own weights where the solution is an
    average."""
    device = next(model.parameters()).device
    cuda = device.type == "cuda"
    state = {GENERATOR: torch.cuda.get_rng_state(device) if cuda else torch.get_rng_state()}
    for place, slots in optimizer.state_dict()["state"].items():
        known = {name: slot for name, slot in slots.items() if slot is not None}
        state |= {f"{place}/{name}": torch.as_tensor(slot).cpu() for name, slot in known.items()}
    if average:
        weights = model.named_parameters()
        state |= {f"{TRAINED}/{name}": value.detach().cpu() for name, value in weights}
    return {name: tensor.clone() for name, tensor in state.items()}


def go_on(
    begun: Trained,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
) -> CellRecord:
    """Put model, average, optimizer and generator where a lone cell was stopped; its record up to
    there."""
    weights = {name: torch.tensor(array[0]) for name, array in begun.weights.items()}
    model.load_state_dict(weights)
    if average:
        average.module.load_state_dict(weights)
        average.n_averaged.fill_(1)
        for name, parameter in model.named_parameters():
            parameter.data.copy_(torch.tensor(begun.state[f"{TRAINED}/{name}"][0]))
    device = next(model.parameters()).device
    slots: dict[int, dict[str, Tensor | int]] = {}
    for key, array in begun.state.items():
        place, _, name = key.partition("/")
        if place not in (GENERATOR, TRAINED):
            is_count = array.ndim == 1 and array.dtype == np.int64
            slots.setdefault(int(place), {})[name] = (
                int(array[0]) if is_count else torch.tensor(array[0])
            )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
    generator = torch.tensor(begun.state[GENERATOR][0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(generator, device)
    else:
        torch.set_rng_state(generator)
    points = np.flatnonzero(~np.isnan(begun.curves["val_loss"][0]))
    return CellRecord(
        rows=[{name: float(begun.curves[name][0, k]) for name in CURVES} for k in points],
        diverged_step=int(begun.diverged_step[0]),
        weights={name: tensor.clone() for name, tensor in weights.items()},
        snapshots={
            name: torch.tensor(array[0])
            for name, array in begun.snapshots.items()
            if int(name.split("/")[0]) <= begun.until[0]
        },
    )


def copied(model: nn.Module) -> dict[str, Tensor]:
    """The weights as they are now, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def parameters(model: nn.Module) -> list[Tensor]:
    """Copies of the parameters as they are now."""
    return [parameter.detach().clone() for parameter in model.parameters()]


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def set_dropout_keys(model: nn.Module, bases: dict[str, Tensor], step: int) -> None:
    """Give every dropout layer its key for this step."""
    for name, base in bases.items():
        model.get_buffer(name).copy_(step_key(base, torch.tensor(step)))


def gradient_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Part, task: str, precision: str
) -> float:
    """Put the minibatch gradient into the parameters and return the minibatch loss."""
    model.train()
    optimizer.zero_grad()
    with products_in(precision):
        loss = mean_loss(model(batch.x), batch.y, task)
        loss.backward()
    return loss.item()


def take_step(optimizer: torch.optim.Optimizer, precision: str) -> None:
    """Update the parameters; some rules multiply matrices."""
    with products_in(precision):
        optimizer.step()


def clip(model: nn.Module, optimizer: Optimizer) -> None:
    """Shorten a gradient that is too long."""
    if optimizer.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), optimizer.clip_norm)


def evaluate(
    model: nn.Module,
    solution: nn.Module,
    data: Dataset,
    step: int,
    record: CellRecord,
    before: list[Tensor],
) -> bool:
    """Add a row to the record; False, and no row, where the validation loss has diverged.

    solution: the model, or its average; before: the parameters before this step.
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    solution.eval()
    with torch.no_grad():
        val_loss, val_score = loss_and_score(solution, data.val, data.task)
    if has_diverged(val_loss):
        record.diverged_step = step
        return False
    losses = np.array(record.losses)
    record.losses.clear()
    values = (losses.mean(), losses.std(), val_loss, val_score)
    now = parameters(model)
    updates = [new - old for new, old in zip(now, before, strict=True)]
    largest = max(weights.abs().max().item() for weights in now)
    norms = (norm(gradients), norm(now), largest, norm(updates) / norm(before))
    record.rows.append(dict(zip(CURVES, (*values, *norms), strict=True)))
    record.weights = copied(solution)
    return True


def finish(model: nn.Module, data: Dataset, record: CellRecord) -> None:
    """Add the final losses and scores of a cell that did not diverge."""
    if record.diverged_step:
        return
    model.eval()
    with torch.no_grad():
        both = (*loss_and_score(model, data.train, data.task), *_last_validation(record))
    record.finals = dict(zip(FINALS, both, strict=True))


def _last_validation(record: CellRecord) -> tuple[float, float]:
    return record.rows[-1]["val_loss"], record.rows[-1]["val_score"]


def gathered(pack: Pack, records: list[CellRecord]) -> Trained:
    """Stack the records of a pack's cells."""
    steps = pack.evaluation_steps
    curves = {name: np.full((len(records), len(steps)), np.nan) for name in CURVES}
    for cell, record in enumerate(records):
        for point, row in enumerate(record.rows):
            for name in CURVES:
                curves[name][cell, point] = row[name]
    finals = {name: np.array([r.finals.get(name, np.nan) for r in records]) for name in FINALS}
    weights = {
        name: np.stack([record.weights[name].numpy() for record in records])
        for name in records[0].weights
    }
    snapshots = {
        f"{step}/{name}": np.stack([snapshot(record, step, name) for record in records])
        for step in pack.snapshots
        for name in weights
    }
    kinds = {name: value for record in records for name, value in record.state.items()}
    state = {
        name: np.stack([r.state.get(name, torch.zeros_like(kind)).numpy() for r in records])
        for name, kind in kinds.items()
    }
    return Trained(
        steps=tuple(steps),
        curves=curves,
        finals=finals,
        diverged_step=np.array([record.diverged_step for record in records], dtype=np.int64),
        weights=weights,
        snapshots=snapshots,
        engine=np.full(len(records), "loop"),
        micro_batches=np.ones(len(records), dtype=np.int64),
        until=np.full(len(records), pack.end),
        state=state,
    )


def snapshot(record: CellRecord, step: int, name: str) -> npt.NDArray[np.generic]:
    """A cell's weights at a step; NaN, or zero for whole numbers, where it had diverged."""
    if f"{step}/{name}" in record.snapshots:
        return record.snapshots[f"{step}/{name}"].numpy()
    like = record.weights[name].numpy()
    return np.full_like(like, np.nan if np.issubdtype(like.dtype, np.floating) else 0)
