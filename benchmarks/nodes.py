"""How far a study spreads: what a piece costs, measured, and what that makes of many nodes.

    python -m benchmarks.nodes

Measured is, on a Ray cluster of this machine with two nodes of one core, what a piece that does
nothing takes, and what the first piece of a process takes that imports torch. Simulated is a study
of many cells on many nodes: one stage after the other hands its pieces out one by one, a node
starts a process for each stage, and what comes back is taken one by one.
"""

import heapq
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from makers.cluster import cluster  # noqa: E402
from makers.tasks import Importing, Nothing  # noqa: E402
from pipeline.executors.executor import Task, Work  # noqa: E402
from pipeline.executors.on_ray import OnRay  # noqa: E402
from pipeline.params.protocol import Resources  # noqa: E402

PIECES, ROUNDS = 500, 5
CELLS = 100_000
PACKS = (100, 1_000, 10_000)
"""Cells of a batch size, which are trained at once."""
NODES = (1, 10, 100, 1_000)
SECONDS_PER_CELL = (1.0, 60.0)


@dataclass(frozen=True)
class Costs:
    """Seconds that a piece takes the stage, and that the first one takes a node."""

    piece: float
    start: float


def measured() -> Costs:
    """By works of pieces that do nothing, the median of several."""
    with tempfile.TemporaryDirectory() as folder, cluster(2) as address:
        os.chdir(folder)
        executor = OnRay(address, Resources())

        def seconds(tasks: list[Task], label: str) -> float:
            start = time.perf_counter()
            executor.run(Work(label, tasks, []), lambda _: None)
            return time.perf_counter() - start

        start = seconds([Importing(), Importing()], "import")
        rounds = [seconds([Nothing()] * PIECES, f"round {n}") for n in range(ROUNDS)]
        os.chdir(ROOT)
    return Costs(statistics.median(rounds) / PIECES, start)


def simulated(costs: Costs, nodes: int, pack: int, cell_seconds: float) -> float:
    """Hours of a study of CELLS cells."""
    pieces = min(nodes, pack // 2)
    sizes = [pack // pieces + (place < pack % pieces) for place in range(pieces)]
    free, back = [0.0] * nodes, []
    for place, cells in enumerate(sizes):
        begun = max(heapq.heappop(free), (place + 1) * costs.piece / 2)
        end = begun + costs.start + cells * cell_seconds
        heapq.heappush(free, end)
        back.append(end)
    taken = 0.0
    for end in sorted(back):
        taken = max(taken, end) + costs.piece / 2
    return taken * (CELLS // pack) / 3600


def main() -> None:
    """Measure, simulate, print."""
    costs = measured()
    print(f"A piece takes the stage {1e3 * costs.piece:.1f} ms, the first one of a process "
          f"{costs.start:.1f} s ({PIECES} pieces, median of {ROUNDS} rounds).\n")  # fmt: skip
    print(f"Hours of {CELLS:,} cells, and how much of its nodes a study uses:\n")
    heads = [f"{nodes:,} nodes" for nodes in NODES]
    print(f"| seconds a cell | cells of a batch size | {' | '.join(heads)} |")
    print("|---|---|" + "---|" * len(NODES))
    for cell_seconds in SECONDS_PER_CELL:
        for pack in PACKS:
            hours = [simulated(costs, nodes, pack, cell_seconds) for nodes in NODES]
            used = [
                CELLS * cell_seconds / 3600 / nodes / taken
                for nodes, taken in zip(NODES, hours, strict=True)
            ]
            row = [f"{taken:.3g} ({share:.0%})" for taken, share in zip(hours, used, strict=True)]
            print(f"| {cell_seconds:g} | {pack:,} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
