"""What to time for one model and optimizer: found out by real steps, before any timing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import InputError
from pipeline.params.settings import Settings
from pipeline.speed import ladder, single
from pipeline.speed.blocks import timed
from pipeline.speed.ladder import Capacity
from pipeline.training import fit, memory
from pipeline.training.dataset import Dataset
from pipeline.training.memory import USABLE_MEMORY, free_bytes, is_out_of_memory

SEARCH_STEP_SECONDS = 1.0
LADDER_STEP_SECONDS = 0.05
"""Slower steps end the search for the largest batch, and the ladder; the grid is timed anyway."""
ACCUMULATED = (2, 4, 8, 16)


@dataclass(frozen=True)
class Case:
    """A batch size to time, taken in this many micro-batches."""

    batch_size: int
    micro_batches: int = 1
    in_grid: bool = False


class Trial:
    """Tries batch sizes of one setting with real steps, and remembers their peaks of memory.

    Raises InputError where the setting does not fit the data or the device.
    """

    def __init__(self, settings: Settings, data: Dataset, limit_bytes: float | None) -> None:
        fit.check(settings, data)
        self.settings, self.data = settings, data
        self.device = data.train.x.device
        self.limit_bytes = limit_bytes or USABLE_MEMORY * free_bytes(self.device)
        self.training = single.Training(settings, data)
        self.peaks: dict[tuple[int, int], int] = {}
        self.reserved: dict[tuple[int, int], float] = {}
        self.seconds: dict[int, float] = {}

    def peak(self, batch_size: int, micro_batches: int = 1) -> int:
        """The peak of a training with this batch size, measured once."""
        case = (batch_size, micro_batches)
        if case not in self.peaks:
            held, reserved = self.evaluation_bytes
            step = single.peak_bytes(self.settings, self.data, *case)
            self.peaks[case] = max(step, held)
            self.reserved[case] = max(memory.reserved_bytes(self.device), reserved)
        return self.peaks[case]

    @cached_property
    def evaluation_bytes(self) -> tuple[int, float]:
        """The peak of an evaluation, and what CUDA's allocator had reserved for it.

        A step before it, which is not weighed, makes what libraries keep for themselves.
        """
        self.training.stepper(single.smallest_batch(self.training.model))()
        held = single.evaluation_peak_bytes(self.settings, self.data)
        return held, memory.reserved_bytes(self.device)

    def fits(self, batch_size: int) -> bool:
        """Whether a training stays within the limit.

        A size that would ask for more than the device has free is not tried: Linux would kill
        the process rather than refuse.
        """
        if self.expected_bytes(batch_size) > USABLE_MEMORY * free_bytes(self.device):
            return False
        try:
            return self.peak(batch_size) <= self.limit_bytes
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False

    def expected_bytes(self, batch_size: int) -> float:
        """The peak on the straight line through the two largest sizes tried; 0 before that."""
        tried = sorted(size for size, micro in self.peaks if micro == 1)[-2:]
        if len(tried) < 2:
            return 0.0
        (small, large), (low, high) = tried, (self.peaks[size, 1] for size in tried)
        return high + (high - low) / (large - small) * (batch_size - large)

    def step_seconds(self, batch_size: int) -> float:
        """The time of a second step, for a rough choice."""
        if batch_size not in self.seconds:
            step = self.training.stepper(batch_size)
            step()
            self.seconds[batch_size] = timed(step, 1, self.device)
        return self.seconds[batch_size]

    def is_quick(self, batch_size: int) -> bool:
        """Whether a step is short enough to time many sizes like it."""
        return self.step_seconds(batch_size) <= LADDER_STEP_SECONDS


def capacity(trial: Trial, smallest: int) -> Capacity:
    """The largest batch that trains within the limit.

    Raises InputError where not even the smallest batch does.
    """
    largest = ladder.largest_that_fits(
        trial.fits,
        smallest,
        len(trial.data.train),
        lambda size: trial.step_seconds(size) > SEARCH_STEP_SECONDS,
    )
    if largest.batch_size == 0:
        need = trial.peaks.get((smallest, 1))
        needed = f"{need / 2**30:.3g} GiB" if need else "more than there is"
        limit = trial.limit_bytes / 2**30
        raise InputError(
            f"limits.memory_gb: a batch of {smallest} needs {needed}, above the {limit:.3g} to use"
        )
    return largest


def cases(
    trial: Trial, grid: Sequence[int], limit: Capacity, smallest: int, is_dense: bool
) -> list[Case]:
    """The grid's sizes, micro-batches of its largest that fits, and a ladder: powers of two, in a
    dense one multiples of 32 and of 8 and primes, too.

    A grid size beyond the memory is taken in as few micro-batches as it needs.
    """
    fitting = [size for size in grid if limit.ended_by != "memory" or size <= limit.batch_size]
    chosen = [
        Case(size, 1 if size in fitting else -(-size // limit.batch_size), in_grid=True)
        for size in grid
    ]
    top = max(fitting, default=0)
    chosen += [Case(top, parts) for parts in ACCUMULATED if top // parts >= smallest]
    steps_of = ladder.dense if is_dense else ladder.sparse
    sizes = ladder.up_to_slow(
        steps_of(smallest, limit.batch_size),
        lambda size: not trial.is_quick(size),
    )
    return chosen + [Case(size) for size in sizes if size not in grid]
