"""Range tests: one short training whose learning rate grows with every step (Smith 2017, section
3.3), as two libraries run them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.params.settings import Settings
from pipeline.training import loop, seeds
from pipeline.training.augmentation import batch_of
from pipeline.training.dataset import Dataset

Floats = npt.NDArray[np.float64]
STEPS = 100
SMOOTHING = 0.98
"""Of the exponential mean of the minibatch losses, corrected for its start."""
HOPELESS = 4.0
"""The test ends where the smoothed loss is so many times the least one so far."""


@dataclass(frozen=True)
class RangeTest:
    """The rates that a library tries by default, evenly in their logarithm."""

    library: str
    lowest: float
    highest: float

    @property
    def rates(self) -> Floats:
        """The rate of every step."""
        return np.geomspace(self.lowest, self.highest, STEPS)


TESTS = (RangeTest("lightning", 1e-8, 1.0), RangeTest("fastai", 1e-7, 10.0))


def smoothed_losses(
    settings: Settings, data: Dataset, batch_size: int, seed: int, rates: Floats
) -> list[float]:
    """The smoothed minibatch loss of every step, as far as the test went; its last one is the first
    that is HOPELESS, or not finite.

    Steps are those of ``loop.train_cell``: torch's global generator is seeded for the test and put
    back afterwards.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seeds.keyed("global", settings.seed, seed))
        return _smoothed_losses(settings, data, batch_size, seed, rates)


def _smoothed_losses(
    settings: Settings, data: Dataset, batch_size: int, seed: int, rates: Floats
) -> list[float]:
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, seed)
    model = model.to(data.train.x.device)
    rule = settings.at(batch_size).optimizer
    optimizer = loop.torch_optimizer(model, rule, float(rates[0]))
    dropout = seeds.dropout_bases(model, settings.seed, seed)
    key = seeds.augmentation_key(settings.seed, seed).to(data.train.x.device)
    batches = endless_batches(settings, seed, data, batch_size)
    mean, smoothed = 0.0, []
    for step, (rate, places) in enumerate(zip(rates, batches, strict=False), 1):
        loop.set_rate(optimizer, float(rate))
        loop.set_dropout_keys(model, dropout, step)
        batch = batch_of(data, settings.augmentation, key, places)
        loss = loop.gradient_step(model, optimizer, batch, data.task, settings.model.precision)
        loop.clip(model, rule)
        loop.take_step(optimizer, settings.model.precision)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed.append(mean / (1 - SMOOTHING**step))
        if not smoothed[-1] <= HOPELESS * min(smoothed):
            break
    return smoothed


def endless_batches(
    settings: Settings, seed: int, data: Dataset, batch_size: int
) -> Iterator[Tensor]:
    """The places of whole batches, epoch after epoch."""
    examples = len(data.train)
    for epoch in count():
        order = seeds.places(settings, seed, epoch, examples).to(data.train.x.device)
        yield from order[: examples // batch_size * batch_size].split(batch_size)
