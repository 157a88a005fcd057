"""Which rows each lane sees at each step, or places where examples are augmented."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.lanes.lanes import Lanes
from pipeline.training import seeds
from pipeline.training.pack import Pack

CHUNK_STEPS = 256
CHUNK_BYTES = 1 << 24


class Order:
    """The rows of a pack's training part in the order of every seed; each epoch's are drawn once.

    chunk_steps: how many steps' rows are looked up at once, which bounds the memory.
    """

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
        """Rows (seeds, batch) of a step (from 0)."""
        phase = self.pack.phase(number)
        size = phase.batch_size
        epochs, place = divmod(number - phase.first_step, self.pack.examples // size)
        epoch = phase.first_epoch + epochs
        if epoch != self.epoch:
            settings, examples = self.pack.settings, self.pack.examples
            orders = [seeds.places(settings, seed, epoch, examples) for seed in of_seeds]
            self.epoch, self.orders = epoch, torch.stack(orders)
        return self.orders[:, place * size : (place + 1) * size]
