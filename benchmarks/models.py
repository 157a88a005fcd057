"""Every engine forced in turn on four networks: is the automatic choice near the best?

    python -m benchmarks.models [--repeats 3] [--processes 1] [--only NAME ...]

Start-up, tracing and compilation are not in the seconds for a cell and step; they are the column
"start". Evaluation is in neither.
"""

import statistics
import time

from benchmarks import harness
from pipeline.lanes.plan import make_plan
from pipeline.lanes.run import Run
from pipeline.params.network import Model
from pipeline.params.protocol import Impl
from pipeline.params.schedule import Budget
from pipeline.training.dataset import Dataset
from pipeline.training.device import one_thread
from pipeline.training.loop import train_cells
from pipeline.training.pack import Pack

NETWORKS = {  # network, input shape, training examples, batch sizes, cells, steps
    "mlp 64-128-64-10": (harness.DIGITS_MLP, (1, 8, 8), 1077, (8, 64, 512), 12, 60),
    "mlp 784-256-128-10": (harness.MNIST_MLP, (1, 28, 28), 4096, (8, 64, 512), 6, 30),
    "cnn on 8x8": (Model("cnn", [16, 32], norm="batch"), (1, 8, 8), 1077, (8, 64), 6, 20),
    "cnn on 28x28": (Model("cnn", [16, 32], norm="batch"), (1, 28, 28), 2048, (8, 64), 6, 10),
    "resnet on 32x32": (Model("resnet"), (3, 32, 32), 16, (4,), 2, 4),
}
ENGINES = ("loop", "traced", "compiled")


def in_loop(pack: Pack, data: Dataset) -> tuple[float, float]:
    """Seconds for one cell and step of the plain loop, and for its start: by two budgets."""
    few, many = (harness.shortened(pack, steps) for steps in (pack.steps, 3 * pack.steps))
    seconds = []
    for shortened in (few, many):
        start = time.perf_counter()
        train_cells(shortened, data, harness.unheard)
        seconds.append(time.perf_counter() - start)
    slope = (seconds[1] - seconds[0]) / (many.steps - few.steps) / len(pack.cells)
    return slope, max(0.0, seconds[0] - slope * few.steps * len(few.cells))


def in_lanes(pack: Pack, data: Dataset, engine: str, at_once: int) -> tuple[float, float]:
    """Seconds for one cell and step of ``at_once`` lanes, and to build (and compile) the step."""
    piece = pack.part(range(min(at_once, len(pack.cells))))
    start = time.perf_counter()
    run = Run(piece, harness.job(data, engine, at_once))
    run.losses_of_steps(range(1, 3))
    started = time.perf_counter()
    run.losses_of_steps(range(1, pack.steps + 1))
    seconds = time.perf_counter() - started
    return seconds / pack.steps / len(piece.cells), started - start


def per_step(pack: Pack, data: Dataset, engine: str, at_once: int) -> tuple[float, float]:
    """Seconds for one cell and step, and for the start."""
    return in_loop(pack, data) if engine == "loop" else in_lanes(pack, data, engine, at_once)


def row(name: str, size: int, repeats: int, skip: tuple[str, ...]) -> dict[str, object]:
    """One network at one batch size."""
    model, shape, examples, _, cells, steps = NETWORKS[name]
    data = harness.images(shape, examples)
    budget = Budget(1, steps, 2)
    pack = harness.make_pack(data, model, size, [0.001 * k for k in range(1, cells + 1)], 1, budget)
    pack = harness.shortened(pack, steps)
    plan = make_plan(pack, data, Impl(workers=1))
    engines = [engine for engine in ENGINES if engine not in skip]
    rounds = {engine: [] for engine in engines}
    for _ in range(repeats):
        for engine in engines:
            rounds[engine].append(per_step(pack, data, engine, plan.lanes_at_once))
    found = {
        engine: tuple(statistics.median(column) for column in zip(*own, strict=True))
        for engine, own in rounds.items()
    }
    best = min(found.values())[0]
    line: dict[str, object] = {"network": name, "batch size": size, "cells": cells}
    for engine in ENGINES:
        slope = found.get(engine)
        line[f"{engine} µs"] = f"{slope[0] * 1e6:,.0f}" if slope else "not run"
    line["start s"] = ", ".join(f"{value[1]:.1f}" for value in found.values())
    line["auto"] = plan.engine
    line["auto / best"] = f"{found[plan.engine][0] / best:.2f}"
    return line


def main() -> None:
    """Time every network, batch size and engine."""
    parser = harness.arguments(__doc__ or "", 3)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    parser.add_argument("--skip", nargs="*", default=(), help="engines to leave out")
    options = parser.parse_args()
    rows = []
    with one_thread():
        for name in options.only:
            for size in NETWORKS[name][3]:
                rows.append(row(name, size, options.repeats, tuple(options.skip)))
                print(rows[-1], flush=True)
    title = f"µs for a cell and step, one thread, medians of {options.repeats} rounds"
    harness.show(title, rows, options.out)


if __name__ == "__main__":
    main()
