"""How a pack will be trained: which engine, how many processes, how many lanes at once.

The engine is a function of the pack, the device and whether a C++ compiler is there; no clock is
asked, so the same study always takes the same path. Memory alone may change it: what does not fit
is split into micro-batches, which lanes can do and the plain loop cannot.
"""

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pipeline.host import available_cores
from pipeline.lanes import gradients, rules
from pipeline.lanes.gradients import Batch
from pipeline.lanes.lanes import FEWEST, padded, predictor, stacked
from pipeline.lanes.step import batch_maker, micro_batches
from pipeline.models.batch_norm import has_batch_norm
from pipeline.params.network import MODELS
from pipeline.params.protocol import Impl
from pipeline.training import seeds
from pipeline.training.dataset import Dataset
from pipeline.training.losses import evaluation_rows, targets_of
from pipeline.training.memory import USABLE_MEMORY, free_bytes, peak_bytes_of_rows
from pipeline.training.pack import Pack

COMPILE_SECONDS, AGAIN_SECONDS = 30.0, 2.0
"""A cold torch.compile of one step while the other cores compile too, and of the same step for
another piece (0.7 to 2.1 s, three perceptrons on a Xeon)."""
PROCESSES = 2
"""Over how many the cells are taken to be spread where it is asked whether compiling pays: were it
asked for those that there are, a training's bits would hang on them."""
SAVED_SECONDS_PER_STEP = 7e-5
SAVED_SECONDS_PER_BYTE = 2.5e-10
"""What the compiled step saves against the traced one: dispatch once a step, and passes over what
each lane's step works on; from benchmarks/models.py."""
CELL_SECONDS, CELL_SECONDS_PER_BYTE = 4e-5, 1.2e-9
"""About what a step of one of many cells takes of a core, by what it works on: two cores took 22 us
at 8 KiB and 850 to 1,200 us at 2 MiB, in the default study."""
SMALLEST_PIECE = 3
"""The most lanes that are trained at once where two would be best: an odd one out joins a pair."""
LOOP_BYTES, BATCH_NORM_LOOP_BYTES = 8 << 20, 12 << 20
"""About what a step of one transformer, or of one network with batch norm, works on, from which on
the plain loop is no slower than lanes on a CPU, for attention and batch norm are one kernel there.
It took 0.85 to 1.0 of their time at 13 to 34 MiB (transformers, one run each), and 0.60 to 0.76 at
16 to 168 MiB, 1.0 in one of eight cases (batch norm, medians of 3 and 5 rounds)."""
CACHE_BYTES = 4 << 20
"""On a CPU, lanes that work on more than about this together go at the memory's pace. One that does
so by itself trains alone: beside another it took 0.86 to 1.3 times as long (perceptrons and
convolutions; 0.81 in one transformer), and a pair keeps a single core busy."""


@dataclass(frozen=True)
class Plan:
    """The choice and its reason; lanes_at_once is for each process. core_seconds_per_step: about
    what a step of all cells takes of one core, by the pack alone, neither by a clock nor by this
    machine; 0 for what cannot be lanes."""

    engine: str
    reason: str
    workers: int
    lanes_at_once: int
    micro_batches: int
    core_seconds_per_step: float = 0.0

    @property
    def fewest(self) -> int:
        """The least number of lanes that may be trained together: 1 where all train alone."""
        return min(FEWEST, self.lanes_at_once)


def make_plan(pack: Pack, data: Dataset, impl: Impl) -> Plan:
    """Choose how to train this pack on the data's device.

    Raises whatever the model's constructor raises.
    """
    device = data.train.x.device
    cpus = available_cores() if device.type == "cpu" else 1
    workers = min(cpus if impl.workers == "auto" else impl.workers, len(pack.cells))
    obstacle = obstacle_to_lanes(pack, data)
    if obstacle:
        return Plan("loop", "asked for" if impl.engine == "loop" else obstacle, workers, 1, 1)
    room = USABLE_MEMORY * free_bytes(device) / workers
    micro, lane = 1, lane_bytes(pack, data, 1)
    core_seconds = len(pack.cells) * (CELL_SECONDS + CELL_SECONDS_PER_BYTE * lane.step)
    engine, reason = choose_engine(pack, data, lane, impl)
    if engine == "loop" and (lane.total <= room or impl.engine == "loop"):
        return Plan(engine, reason, workers, 1, 1, core_seconds)
    if engine == "loop":
        engine, reason = "traced", "lanes alone can split a batch that does not fit"
    # by the pack alone, for bits hang on whether lanes train alone
    most = lanes_in_cache(lane) if device.type == "cpu" else max(FEWEST, len(pack.cells))
    while micro < pack.largest_batch_size and min(most, SMALLEST_PIECE) * lane.total > room:
        micro *= 2
        lane = lane_bytes(pack, data, micro)
    at_once = min(most, -(-len(pack.cells) // workers), int(room / lane.total))
    return Plan(engine, reason, workers, max(min(FEWEST, most), at_once), micro, core_seconds)


def lanes_in_cache(lane: "LaneBytes") -> int:
    """How many lanes to train at once on a CPU: 1 where one leaves no room for others."""
    return 1 if lane.working > CACHE_BYTES else max(FEWEST, CACHE_BYTES // lane.working)


def obstacle_to_lanes(pack: Pack, data: Dataset) -> str | None:
    """Why this pack has to train in the plain loop, or None."""
    name = pack.settings.model.name
    if pack.settings.model.precision == "bfloat16" and data.train.x.device.type == "cpu":
        return "bfloat16 on a CPU adds up in another order beside other lanes"
    obstacle = None if name in MODELS else lanes_obstacle(pack, data)
    return f"{name} cannot be batched over lanes: {obstacle}" if obstacle else None


def choose_engine(pack: Pack, data: Dataset, lane: "LaneBytes", impl: Impl) -> tuple[str, str]:
    """The engine's name and why: ``loop`` for long steps that one kernel takes a large part of,
    ``compiled`` where the steps to come earn it back."""
    if impl.engine != "auto":
        return impl.engine, "asked for"
    on_cpu = data.train.x.device.type == "cpu"
    if on_cpu and is_for_the_loop(pack, data, lane):
        return "loop", "a step takes so long that lanes save nothing"
    lanes = max(1, len(pack.cells) / (PROCESSES if on_cpu else 1))
    pieces = math.ceil(lanes / lanes_in_cache(lane)) if on_cpu else 1
    per_step = SAVED_SECONDS_PER_STEP * pieces + SAVED_SECONDS_PER_BYTE * lane.step * lanes
    saved = per_step * pack.steps
    if saved < COMPILE_SECONDS + AGAIN_SECONDS * (pieces - 1):
        return "traced", f"compiling costs more than the {saved:.1f} s that it might save"
    if compiler() is None:
        return "traced", "compiling would pay, but there is no C++ compiler"
    return "compiled", f"{pack.steps:,} steps earn the compilation back"


def is_for_the_loop(pack: Pack, data: Dataset, lane: "LaneBytes") -> bool:
    """Whether the plain loop is no slower than lanes on a CPU."""
    settings = pack.settings
    if settings.model.name == "transformer":
        return lane.step > LOOP_BYTES
    # of single examples torch's batch norm makes no statistics
    if lane.step <= BATCH_NORM_LOOP_BYTES or pack.batch_size == 1:
        return False
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
    return has_batch_norm(model)


def compiler() -> str | None:
    """The C++ compiler that torch.compile would call."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


def lanes_obstacle(pack: Pack, data: Dataset) -> str | None:
    """Why the model cannot be batched over lanes: by its parameters, or by trying two."""
    settings = pack.settings
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
    if not all(parameter.requires_grad for parameter in model.parameters()):
        return "some of its parameters are frozen"
    if len(dict(model.named_parameters())) < len(
        dict(model.named_parameters(remove_duplicate=False))
    ):
        return "some of its parameters are shared"
    lanes = stacked(pack, padded(pack.cells[:FEWEST], FEWEST), data)
    rows = torch.zeros(2, pack.batch_size, dtype=torch.int64, device=data.train.x.device)
    y = targets_of(data.train.y[rows], data.outputs, data.task)
    number = torch.ones((), dtype=torch.int64, device=rows.device)
    return gradients.why_not_lanes(lanes, Batch(data.train.x[rows], y, number), data.task)


@dataclass(frozen=True)
class LaneBytes:
    """The memory of one lane: what it holds always, the optimizer's state of it, and what a step,
    its recording and an evaluation work on."""

    held: int
    state: int
    step: int
    recording: int
    evaluation: int

    @property
    def total(self) -> int:
        """The most that it ever takes."""
        return self.held + max(self.step, self.recording, self.evaluation)

    @property
    def working(self) -> int:
        """What a step makes, and the optimizer's state, which it reads and writes. With the weights
        alone, which every optimizer reads and writes, many lanes at once are as fast as few."""
        return self.step + self.state


def lane_bytes(pack: Pack, data: Dataset, micro: int) -> LaneBytes:
    """The memory that one more lane takes, counted on a lone one.

    Held: weights, their copies before a step and of the last evaluation and the snapshots, the
    last gradients, optimizer state. A step: the peak of the recorded graph with its batch. A
    recording: the peak of torch.func, which frees less. An evaluation: the peak of one chunk.
    """
    device = data.train.x.device
    lanes = stacked(pack, pack.cells[:1], data)
    batch_of = batch_maker(data, pack.settings.augmentation, lanes.keys)

    def batch(count: int) -> Batch:
        places = torch.arange(count, device=device) % len(data.train)
        return batch_of(places[None], torch.ones((), dtype=torch.int64, device=device))

    def step(count: int) -> Callable[[], object]:
        graph = gradients.trace(lanes, batch(count), data.task)
        return lambda: graph(*gradients.flat(lanes, batch(count)))

    def recording(count: int) -> Callable[[], object]:
        return lambda: gradients.trace(lanes, batch(count), data.task)

    def evaluation(count: int) -> Callable[[], object]:
        return lambda: predictor(lanes)(batch(count).x[0])

    rows = micro_batches(torch.zeros(1, pack.largest_batch_size), micro)[0].shape[1]
    chunk = min(evaluation_rows(data.train), len(data.train))
    weights = sum(tensor.nbytes for tensor in lanes.params.values())
    slots = len(rules.slot_names(pack.settings.optimizer))
    with torch.no_grad():
        return LaneBytes(
            weights * (4 + slots + len(pack.snapshots)),
            weights * slots,
            peak_bytes_of_rows(step, rows, device),
            peak_bytes_of_rows(recording, rows, device),
            peak_bytes_of_rows(evaluation, chunk, device),
        )
