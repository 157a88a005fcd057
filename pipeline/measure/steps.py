"""One training at a time, the way a user would train the chosen setting."""

from collections.abc import Callable

import torch

from pipeline.data.tensors import Dataset
from pipeline.engine import seeds
from pipeline.engine.loop import torch_optimizer
from pipeline.engine.losses import loss_and_score, mean_loss
from pipeline.params import Settings


def training_step(settings: Settings, data: Dataset, batch_size: int) -> Callable[[], None]:
    """A closure that gathers one batch, goes forward and backward and updates the weights.

    The rows are drawn from one fixed order, round and round; the loss is not read back.
    """
    device = data.train.x.device
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
    model = model.to(device).train()
    optimizer = torch_optimizer(model.parameters(), settings.optimizer, min(settings.lr))
    order = seeds.data_order(settings.seed, 0, 0, len(data.train)).to(device)
    rows = order[: len(order) // batch_size * batch_size].split(batch_size)
    done = 0

    def step() -> None:
        nonlocal done
        batch = rows[done % len(rows)]
        done += 1
        optimizer.zero_grad()
        loss = mean_loss(model(data.train.x[batch]), data.train.y[batch], data.task)
        loss.backward()
        optimizer.step()

    return step


def train_and_evaluate(settings: Settings, data: Dataset, batch_size: int) -> None:
    """Two steps and an evaluation: everything a training ever holds at once.

    Two, because the optimizer's state only exists after the first.
    """
    step = training_step(settings, data, batch_size)
    step()
    step()
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
    with torch.no_grad():
        loss_and_score(model.to(data.val.x.device).eval(), data.val, data.task)
