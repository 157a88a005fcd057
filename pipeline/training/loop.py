"""The plain engine: one cell after the other, an ordinary PyTorch loop with torch.optim.

It is what the fast engines are compared with, so it shares none of their code; whoever wants to
know what a training here is reads this file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.models.dropout import step_key
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Cell
from pipeline.training import budget, seeds
from pipeline.training.dataset import Dataset
from pipeline.training.layerwise import Lamb, Lars
from pipeline.training.learning_rate import rate_factor
from pipeline.training.losses import has_diverged, loss_and_score, mean_loss, norm
from pipeline.training.pack import CURVES, FINALS, Pack, Trained


@dataclass
class CellRecord:
    """One cell's curves while it trains."""

    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    finals: dict[str, float] = field(default_factory=dict)
    diverged_step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    snapshots: dict[str, Tensor] = field(default_factory=dict)


def adam_settings(optimizer: Optimizer) -> dict[str, Any]:
    """What Adam and AdamW are called with, beside the rate."""
    betas = (optimizer.beta1, optimizer.beta2)
    return {"betas": betas, "eps": optimizer.epsilon, "weight_decay": optimizer.weight_decay}


Parameters = Iterator[nn.Parameter]
PLAIN: dict[str, Callable[[Parameters, Optimizer, float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, optimizer, lr: torch.optim.SGD(
        parameters, lr, optimizer.momentum, weight_decay=optimizer.weight_decay
    ),
    "nesterov": lambda parameters, optimizer, lr: torch.optim.SGD(
        parameters, lr, optimizer.momentum, weight_decay=optimizer.weight_decay, nesterov=True
    ),
    "adagrad": lambda parameters, optimizer, lr: torch.optim.Adagrad(
        parameters, lr, weight_decay=optimizer.weight_decay
    ),
    "adam": lambda parameters, optimizer, lr: torch.optim.Adam(
        parameters, lr, **adam_settings(optimizer)
    ),
    "adamw": lambda parameters, optimizer, lr: torch.optim.AdamW(
        parameters, lr, **adam_settings(optimizer)
    ),
    "lars": lambda parameters, optimizer, lr: Lars(
        parameters, lr, optimizer.momentum, optimizer.weight_decay
    ),
    "lamb": lambda parameters, optimizer, lr: Lamb(
        parameters, lr, optimizer.beta2, optimizer.weight_decay
    ),
}
"""torch's own optimizers for the ``optimizer`` section and a rate, where torch has one."""


def torch_optimizer(
    parameters: Parameters, optimizer: Optimizer, lr: float
) -> torch.optim.Optimizer:
    """The optimizer of an ordinary PyTorch loop."""
    return PLAIN[optimizer.name](parameters, optimizer, lr)


def batches(pack: Pack, cell: Cell) -> Iterator[Tensor]:
    """The rows (int64, on the CPU) of each step; a fresh order every epoch and batch size."""
    epoch = 0
    for phase in pack.phases:
        left = phase.steps
        while left > 0:
            order = seeds.data_order(pack.settings.seed, cell.seed, epoch, pack.examples)
            whole = budget.steps_per_epoch(pack.examples, phase.batch_size)
            yield from order[: whole * phase.batch_size].split(phase.batch_size)[:left]
            left -= whole
            epoch += 1


def train_cells(pack: Pack, data: Dataset, on_steps: Callable[[int], None]) -> Trained:
    """Train every cell of the pack; ``on_steps`` hears how many cell-steps were done."""
    records = [train_cell(pack, cell, data, on_steps) for cell in pack.cells]
    return gathered(pack, records)


def train_cell(
    pack: Pack, cell: Cell, data: Dataset, on_steps: Callable[[int], None]
) -> CellRecord:
    """Train one cell to the end of its budget or to its divergence.

    torch's global generator, which a user's model may draw from, is seeded for the cell and put
    back afterwards.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seeds.keyed("global", pack.settings.seed, cell.seed))
        return _train_cell(pack, cell, data, on_steps)


def _train_cell(
    pack: Pack, cell: Cell, data: Dataset, on_steps: Callable[[int], None]
) -> CellRecord:
    settings = pack.settings
    model = seeds.initial_model(
        settings.model, data.shape, data.outputs, settings.seed, cell.seed
    ).to(data.train.x.device)
    optimizer = torch_optimizer(model.parameters(), settings.optimizer, cell.lr)
    dropout = seeds.dropout_bases(model, settings.seed, cell.seed)
    record = CellRecord(weights=copied(model))
    evaluated = set(pack.evaluation_steps)
    for step, rows in enumerate(batches(pack, cell), start=1):
        set_rate(optimizer, cell.lr * rate_factor(settings.schedule, step, pack.steps))
        set_dropout_keys(model, dropout, step)
        loss = gradient_step(model, optimizer, data, rows.to(data.train.x.device))
        if has_diverged(loss):
            record.diverged_step = step
            on_steps(pack.steps - step + 1)
            break
        before = parameters(model) if step in evaluated else []
        optimizer.step()
        record.losses.append(loss)
        if step in evaluated and not evaluate(model, data, step, record, before):
            on_steps(pack.steps - step + 1)
            break
        if step in pack.snapshots:
            record.snapshots |= {f"{step}/{name}": value for name, value in record.weights.items()}
        on_steps(1)
    finish(model, data, record)
    return record


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
    model: nn.Module, optimizer: torch.optim.Optimizer, data: Dataset, rows: Tensor
) -> float:
    """Put the minibatch gradient into the parameters and return the minibatch loss."""
    model.train()
    optimizer.zero_grad()
    loss = mean_loss(model(data.train.x[rows]), data.train.y[rows], data.task)
    loss.backward()
    return loss.item()


def evaluate(
    model: nn.Module, data: Dataset, step: int, record: CellRecord, before: list[Tensor]
) -> bool:
    """Add a row to the record; False, and no row, where the validation loss has diverged.

    before: the parameters before this step.
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    model.eval()
    with torch.no_grad():
        val_loss, val_score = loss_and_score(model, data.val, data.task)
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
    record.weights = copied(model)
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
    diverged = np.array([record.diverged_step for record in records], dtype=np.int64)
    engine = np.full(len(records), "loop")
    whole = np.ones(len(records), dtype=np.int64)
    return Trained(tuple(steps), curves, finals, diverged, weights, snapshots, engine, whole)


def snapshot(record: CellRecord, step: int, name: str) -> npt.NDArray[np.generic]:
    """A cell's weights at a step; NaN, or zero for whole numbers, where it had diverged."""
    if f"{step}/{name}" in record.snapshots:
        return record.snapshots[f"{step}/{name}"].numpy()
    like = record.weights[name].numpy()
    return np.full_like(like, np.nan if np.issubdtype(like.dtype, np.floating) else 0)
