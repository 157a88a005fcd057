"""One training at a time, the way a user would train the chosen setting."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from pipeline.models.batch_norm import has_batch_norm
from pipeline.models.precision import products_in
from pipeline.params.settings import Settings
from pipeline.training import memory, seeds
from pipeline.training.augmentation import batch_of
from pipeline.training.dataset import Dataset, Part
from pipeline.training.loop import averaged, clip, take_step, torch_optimizer
from pipeline.training.losses import loss_and_score, mean_loss

PARTS = ("gather", "forward", "forward_backward", "update")


class Training:
    """A model with torch's own optimizer, and tensors on the device to index; no DataLoader.

    Steps of any batch size can be taken in turn. The loss is not read back.
    """

    def __init__(self, settings: Settings, data: Dataset) -> None:
        device = data.train.x.device
        model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
        self.model, self.data, self.rule = model.to(device).train(), data, settings.optimizer
        self.optimizer = torch_optimizer(model, settings.optimizer, min(settings.lr))
        self.precision, self.average = settings.model.precision, None
        if self.rule.ema:  # a schedule-free optimizer's is made where it is looked at
            self.average = averaged(self.model, self.rule, self.optimizer)
        self.order = seeds.places(settings, 0, 0, len(data.train)).to(device)
        self.augmentation = settings.augmentation
        self.key = seeds.augmentation_key(settings.seed, 0).to(device)

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Rows of one fixed order, round and round."""
        whole = len(self.order) // batch_size * batch_size
        return itertools.cycle(self.order[:whole].split(batch_size))

    def gather(self, rows: Tensor) -> Part:
        """The examples of a batch."""
        return batch_of(self.data, self.augmentation, self.key, rows)

    def loss(self, batch: Part) -> Tensor:
        """The mean loss of a batch."""
        return mean_loss(self.model(batch.x), batch.y, self.data.task)

    def step(self, rows: Tensor, micro_batches: int = 1) -> None:
        """One update; the gradients of micro-batches add up to that of the whole batch."""
        self.optimizer.zero_grad()
        with products_in(self.precision):
            if micro_batches == 1:
                self.loss(self.gather(rows)).backward()
            else:
                for part in rows.tensor_split(micro_batches):
                    (self.loss(self.gather(part)) * (len(part) / len(rows))).backward()
        clip(self.model, self.rule)
        take_step(self.optimizer, self.precision)
        if self.average:
            self.average.update_parameters(self.model)

    def evaluate(self) -> None:
        """Loss and score of the validation part."""
        self.model.eval()
        with torch.no_grad():
            loss_and_score(self.model, self.data.val, self.data.task)
        self.model.train()

    def stepper(self, batch_size: int, micro_batches: int = 1) -> Callable[[], None]:
        """A closure that takes one step."""
        batches = self.batches(batch_size)
        return lambda: self.step(next(batches), micro_batches)

    def part(self, name: str, batch_size: int) -> Callable[[], object]:
        """A closure that does one of PARTS alone, on one and the same batch but for ``gather``."""
        batches = self.batches(batch_size)
        batch = self.gather(next(batches))

        def forward() -> None:
            with products_in(self.precision):
                self.loss(batch)

        def forward_backward() -> None:
            self.optimizer.zero_grad()
            with products_in(self.precision):
                self.loss(batch).backward()

        forward_backward()  # an update needs gradients
        closures: dict[str, Callable[[], object]] = {
            "gather": lambda: self.gather(next(batches)),
            "forward": forward,
            "forward_backward": forward_backward,
            "update": lambda: take_step(self.optimizer, self.precision),
        }
        return closures[name]


def peak_bytes(settings: Settings, data: Dataset, batch_size: int, micro_batches: int = 1) -> int:
    """The most bytes that a training holds in a step; the data are not counted.

    A real step, after one of the fewest examples that makes the optimizer's state.
    """

    def train() -> None:
        training = Training(settings, data)
        training.stepper(smallest_batch(training.model))()
        training.stepper(batch_size, micro_batches)()

    return memory.peak_bytes(train, data.train.x.device)


def evaluation_peak_bytes(settings: Settings, data: Dataset) -> int:
    """The most bytes that a training holds in an evaluation, whatever its batch size, or in a step
    of the fewest examples."""

    def evaluate() -> None:
        training = Training(settings, data)
        training.stepper(smallest_batch(training.model))()
        training.evaluate()

    return memory.peak_bytes(evaluate, data.train.x.device)


def weight_bytes(settings: Settings, data: Dataset) -> int:
    """The bytes of all parameters, which data-parallel workers exchange every step."""
    return sum(parameter.nbytes for parameter in Training(settings, data).model.parameters())


def smallest_batch(model: nn.Module) -> int:
    """1, or 2 for a network with batch norm, of which one example alone cannot train."""
    return 2 if has_batch_norm(model) else 1


def accumulation_difference(
    settings: Settings, data: Dataset, batch_size: int, micro_batches: int
) -> float:
    """|update by micro-batches - update by the whole batch| / |update by the whole batch|.

    One step each from the same weights; Euclidean norms over all parameters, in float64.
    """
    updates = []
    for parts in (1, micro_batches):
        training = Training(settings, data)
        before = flattened(training.model)
        training.stepper(batch_size, parts)()
        updates.append(flattened(training.model) - before)
    whole, accumulated = updates
    return float((accumulated - whole).norm() / whole.norm())


def flattened(model: nn.Module) -> Tensor:
    """All parameters as one float64 vector."""
    return torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])
