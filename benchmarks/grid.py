"""The default study's training against the two loops people write, batch size by batch size.

    python -m benchmarks.grid [--repeats 3] [--processes 2] [--mnist FOLDER]

Each contender trains the same cells for the same steps with the same evaluations on the same
number of processes. With --mnist: 784-256-128-10 on 47,000 examples, 2 epochs, 9 cells.
"""

import statistics
from collections.abc import Callable

from benchmarks import harness
from pipeline.lanes.plan import Plan
from pipeline.params.schedule import Budget
from pipeline.training.dataset import Dataset
from pipeline.training.pack import Pack

SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1077)


def contenders(pack: Pack, data: Dataset, plan: Plan) -> dict[str, Callable[[], None]]:
    """The same cells trained three ways, the loops on as many processes as the lanes."""
    return {
        "loader": lambda: harness.user_loops(pack, data, harness.loaded, plan.workers),
        "index": lambda: harness.user_loops(pack, data, harness.indexed, plan.workers),
        "lanes": lambda: harness.lanes(pack, data, plan),
    }


def row(pack: Pack, plan: Plan, seconds: dict[str, list[float]]) -> dict[str, object]:
    """One line of the table."""
    return {
        "batch size": pack.batch_size,
        "cells": len(pack.cells),
        "steps": pack.steps,
        "engine": plan.engine,
        "lanes s": f"{statistics.median(seconds['lanes']):.2f}",
        "against DataLoader": harness.ratio(seconds, "loader", "lanes"),
        "against tensor index": harness.ratio(seconds, "index", "lanes"),
    }


def main() -> None:
    """Time every batch size and print the table."""
    parser = harness.arguments(__doc__ or "", 3)
    parser.add_argument("--mnist", help="torchvision's MNIST folder")
    parser.add_argument("--sizes", type=int, nargs="*")
    options = parser.parse_args()
    data = harness.mnist(options.mnist) if options.mnist else harness.digits()
    sizes = options.sizes or ((32, 128, 512, 2048) if options.mnist else SIZES)

    def pack(size: int) -> Pack:
        if options.mnist:
            budget = Budget(2, 90, 10)
            return harness.make_pack(data, harness.MNIST_MLP, size, harness.RATES[2:5], 3, budget)
        return harness.make_pack(data, harness.DIGITS_MLP, size, harness.RATES, 3, Budget())

    rows, totals = [], {"loader": 0.0, "index": 0.0, "lanes": 0.0}
    for size in sizes:
        own = pack(size)
        plan = harness.plan_of(own, data, options.processes)
        seconds = harness.alternate(contenders(own, data, plan), options.repeats)
        medians = {name: statistics.median(found) for name, found in seconds.items()}
        for name, median in medians.items():
            totals[name] += median
        rows.append(row(own, plan, seconds))
        print(rows[-1], flush=True)
    rows.append(
        {
            "batch size": "all", "cells": "", "steps": "", "engine": "",
            "lanes s": f"{totals['lanes']:.1f}",
            "against DataLoader": f"{totals['loader'] / totals['lanes']:.1f}x",
            "against tensor index": f"{totals['index'] / totals['lanes']:.1f}x",
        }
    )  # fmt: skip
    title = f"Grid training, {options.processes} processes, medians of {options.repeats} rounds"
    harness.show(title, rows, options.out)


if __name__ == "__main__":
    main()
