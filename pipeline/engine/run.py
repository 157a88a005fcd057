"""Train a pack by its plan, in as many pieces as memory asks for."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.data.tensors import Dataset
from pipeline.engine import checkpoint, loop, vectorised
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.memory import is_out_of_memory
from pipeline.engine.pack import Pack, Trained, joined
from pipeline.engine.plan import Plan
from pipeline.engine.steps import Graphs

OnSteps = Callable[[int], None]


class Store:
    """Where checkpoints lie; ``inputs`` names the data and code that they depend on."""

    def __init__(self, folder: Path, inputs: str) -> None:
        self.folder, self.inputs = folder, inputs

    def checkpoint(self, pack: Pack, engine: str, micro: int) -> Checkpoint:
        """The checkpoint of these cells trained this way."""
        digest = checkpoint.name(pack, engine, micro)
        return Checkpoint(self.folder / f"{self.inputs}-{digest}.safetensors")

    def clear(self) -> None:
        """Forget all checkpoints of these inputs: what they led to is written elsewhere."""
        for path in self.folder.glob(f"{self.inputs}-*"):
            path.unlink(missing_ok=True)


def train(
    pack: Pack, data: Dataset, plan: Plan, on_steps: OnSteps, store: Store | None = None
) -> Trained:
    """Train the pack in this process, ``plan.lanes_at_once`` cells at a time."""
    cells = len(pack.cells)
    graphs: Graphs = {}
    count = cells if plan.engine == "loop" else pieces_of_lanes(cells, plan.lanes_at_once)
    pieces = [
        train_piece(piece, data, plan.engine, plan.micro_batches, on_steps, store, graphs)
        for piece in split(pack, count)
    ]
    return joined(pieces)


def pieces_of_lanes(cells: int, at_once: int) -> int:
    """In how many pieces to train: none of one lane, which would train with a twin.

    Of two lanes at once an odd one out joins a pair.
    """
    return max(1, min(-(-cells // at_once), cells // 2))


def split(pack: Pack, count: int) -> list[Pack]:
    """The pack's cells in ``count`` consecutive pieces of nearly equal size."""
    places = np.array_split(np.arange(len(pack.cells)), count)
    return [pack.part(own) for own in places]


def train_piece(
    pack: Pack,
    data: Dataset,
    engine: str,
    micro: int,
    on_steps: OnSteps,
    store: Store | None,
    graphs: Graphs,
) -> Trained:
    """Train at once; out of memory, halve the lanes, then split the batches.

    Raises the out-of-memory error when one example of one cell does not fit.
    """
    saved = store.checkpoint(pack, engine, micro) if store else None
    done = 0

    def hear(count: int) -> None:
        nonlocal done
        done += count
        on_steps(count)

    try:
        if engine == "loop":
            return train_in_loop(pack, data, hear, saved)
        return vectorised.train(pack, data, hear, engine, micro, saved, graphs)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or engine == "loop":
            raise
        smaller = fallbacks(pack, micro)
        if not smaller:
            raise
    on_steps(-done)
    return joined(
        [
            train_piece(piece, data, engine, parts, on_steps, store, graphs)
            for piece, parts in smaller
        ]
    )


def train_in_loop(
    pack: Pack, data: Dataset, on_steps: OnSteps, saved: Checkpoint | None
) -> Trained:
    """The plain loop; a cell that was finished before is not trained again."""
    device = data.train.x.device
    before = saved.load(device) if saved else None
    if before:
        on_steps(pack.steps * len(pack.cells))
        return checkpoint.to_trained(*before)
    trained = loop.train(pack, data, on_steps)
    if saved:
        saved.save(*checkpoint.from_trained(trained))
    return trained


def fallbacks(pack: Pack, micro: int) -> Sequence[tuple[Pack, int]]:
    """What to try with less memory: two halves of the lanes, or twice the micro-batches."""
    if len(pack.cells) > 1:
        return [(half, micro) for half in split(pack, 2)]
    return [(pack, 2 * micro)] if micro < pack.largest_batch_size else []
