"""Seconds and memory against the number of lanes, the batch size and the size of the data.

    python -m benchmarks.scale [--repeats 3] [--engine traced]

One process, one thread. The floor is the larger of the time for the arithmetic and the time for
the traffic over the weights at this machine's measured matrix product and copy rates.
"""

import math
import statistics
import time

import torch

from benchmarks import harness
from pipeline.lanes.plan import lane_bytes
from pipeline.lanes.run import Run, train_lanes
from pipeline.params.schedule import Budget
from pipeline.training.dataset import Dataset
from pipeline.training.device import one_thread
from pipeline.training.memory import peak_bytes
from pipeline.training.pack import Pack

STEPS = 40
PASSES = 5
"""Over the weights in a step of SGD: forward, backward, product read, sum read and written."""


def machine_rates() -> tuple[float, float]:
    """Multiply-adds a second x 2 of a large product, bytes a second of a large copy."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    x, y = torch.rand(1 << 22), torch.rand(1 << 22)
    product = best(lambda: torch.mm(a, b))
    copy = best(lambda: y.copy_(x))
    return 2 * 1024**3 / product, 2 * x.nbytes / copy


def best(function: object, rounds: int = 20) -> float:
    """The fastest of many calls: what the machine can do."""
    assert callable(function)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def floor_seconds(weights: int, pack: Pack, rates: tuple[float, float]) -> float:
    """The least a step of all lanes can take."""
    lanes = len(pack.cells)
    arithmetic = 6 * weights * pack.batch_size * lanes / rates[0]
    traffic = 4 * weights * lanes * PASSES / rates[1]
    return max(arithmetic, traffic)


def row(
    lanes: int, size: int, examples: int, options: object, rates: tuple[float, float]
) -> dict[str, object]:
    """One setting."""
    engine, repeats = options.engine, options.repeats  # type: ignore[attr-defined]
    data = harness.images((1, 8, 8), examples)
    lrs = [0.001 * (k + 1) for k in range(lanes)]
    pack = harness.make_pack(data, harness.DIGITS_MLP, size, lrs, 1, Budget(1, STEPS, 2))
    run = Run(pack, harness.job(data, engine))
    run.losses_of_steps(range(1, 4))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run.losses_of_steps(range(1, STEPS + 1))
        seconds.append((time.perf_counter() - start) / STEPS)
    step = statistics.median(seconds)
    weights = sum(math.prod(t.shape[1:]) for t in run.trainee.lanes.params.values())
    return {
        "lanes": lanes, "batch size": size, "examples": examples,
        "µs a step": f"{step * 1e6:,.0f}",
        "µs a lane and step": f"{step * 1e6 / lanes:.0f}",
        "share of the floor": f"{floor_seconds(weights, pack, rates) / step:.0%}",
        "peak / predicted": memory(pack, data, engine),
    }  # fmt: skip


def memory(pack: Pack, data: Dataset, engine: str) -> str:
    """Peak bytes of a short training over what the plan predicts."""
    if engine != "traced" or len(pack.cells) < 2:
        return "not measured"
    short = harness.shortened(pack, 4)
    device = torch.device("cpu")
    found = peak_bytes(lambda: train_lanes(short, harness.job(data, engine)), device)
    predicted = lane_bytes(pack, data, 1).total * len(pack.cells)
    return f"{found / predicted:.2f}"


def main() -> None:
    """Vary one size at a time."""
    parser = harness.arguments(__doc__ or "", 3)
    parser.add_argument("--engine", default="traced")
    options = parser.parse_args()
    settings = [(lanes, 32, 1077) for lanes in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)]
    settings += [(16, size, 1077) for size in (4, 16, 64, 256, 1077)]
    settings += [(16, 32, examples) for examples in (1000, 10000, 60000)]
    rows = []
    with one_thread():
        rates = machine_rates()
        for setting in settings:
            rows.append(row(*setting, options, rates))
            print(rows[-1], flush=True)
    title = (
        f"{options.engine}, one thread, medians of {options.repeats}; product "
        f"{rates[0] / 1e9:.0f} GFLOP/s, copy {rates[1] / 1e9:.0f} GB/s"
    )
    harness.show(title, rows, options.out)


if __name__ == "__main__":
    main()
