"""What the batch size did to the solutions: generalisation, sharpness, landscape, noise.

Packs are spread over the cores, one thread each. Writes results/: evaluation.csv, sharpness.csv,
landscape.csv, gradient_noise.csv.
"""

import os
import sys
from functools import partial

import pandas as pd

from pipeline import params
from pipeline.engine import workers
from pipeline.engine.run import OnSteps
from pipeline.errors import InputError, command
from pipeline.stages import archive, examine, files, timing
from pipeline.stages.archive import Archive
from pipeline.stages.examine import Examination
from pipeline.stages.progress import progress

TABLES = ("evaluation", "sharpness", "landscape", "gradient_noise")
Task = tuple[str, int | None]
"""A pack, by variant and batch size; or, without a batch size, a variant's extremes."""


def tasks(chosen: pd.DataFrame) -> list[Task]:
    """Everything to do: each pack with a winner, and each variant."""
    packs = chosen[["variant", "batch_size"]].drop_duplicates()
    own: list[Task] = [(variant, int(size)) for variant, size in packs.to_numpy()]
    return own + [(variant, None) for variant in packs["variant"].unique()]


def of_pack(store: Archive, variant: str, batch_size: int) -> Examination:
    """What is measured of one pack alone."""
    out = Examination()
    ends = archive.ends(store, variant, batch_size)
    kept = archive.kept(store, ends)
    if len(ends.table):
        with out.timed("scores"):
            out.add("evaluation", examine.generalisation(store, ends, kept))
    fastest = store.chosen(ends, "fastest")
    moments = examine.along_training(store, fastest, kept) if len(fastest.table) else {}
    if moments:
        with out.timed("gradient noise"):
            out.add("gradient_noise", examine.noise(store, moments))
    best = store.chosen(ends, "best_score")
    if len(best.table):
        stable = archive.largest_stable(store, variant, batch_size).first()
        others = {name: pack for name, pack in moments.items() if name != "end"}
        examine.sharp(store, best, {**others, "largest stable rate": stable}, out)
    return out


def of_extremes(store: Archive, variant: str) -> Examination:
    """Slices around the smallest and the largest batch size's solutions, and the lines between."""
    out = Examination()
    rows = store.selection[store.selection["variant"] == variant]
    best = [
        store.chosen(archive.ends(store, variant, size), "best_score")
        for size in sorted(rows["batch_size"].unique())
    ]
    found = [pack for pack in best if len(pack.table)]
    ends = found[:: max(1, len(found) - 1)]
    with out.timed("landscape"):
        for pack in ends:
            for table in examine.slices(store, pack):
                out.add("landscape", table)
        if len(ends) > 1:
            for table in examine.lines(store, *ends):
                out.add("landscape", table)
    return out


def examined(store: Archive, own: list[Task], on_steps: OnSteps) -> list[Examination]:
    """Do some of the tasks."""
    found = []
    for variant, size in own:
        found.append(of_extremes(store, variant) if size is None else of_pack(store, variant, size))
        on_steps(1)
    return found


def spread(store: Archive, todo: list[Task], on_steps: OnSteps) -> list[Examination]:
    """Do all tasks, on a CPU in one process for every core; in the tasks' order."""
    if store.device.type != "cpu":
        return examined(store, todo, on_steps)
    count = min(len(todo), len(os.sched_getaffinity(0)))
    jobs = [partial(examined, store, todo[place::count]) for place in range(count)]
    dealt = workers.in_processes(jobs, on_steps)
    return [dealt[place % count][place // count] for place in range(len(todo))]


def say_costs(found: list[Examination]) -> None:
    """What each measure took, on stderr."""
    seconds = pd.DataFrame([own.seconds for own in found]).sum().sort_values(ascending=False)
    costs = ", ".join(f"{name} {cost:.1f}" for name, cost in seconds.items())
    print(f"evaluate: seconds of one process each: {costs}", file=sys.stderr)


@command
def main() -> None:
    """Read the confirmed weights, measure, write four tables."""
    store = Archive(params.load(files.PARAMS))
    todo = tasks(store.selection)
    with progress("evaluate", len(todo), "pack") as on_steps:
        found = spread(store, todo, on_steps)
    say_costs(found)
    for name in TABLES:
        pieces = [table for own in found for table in own.tables.get(name, [])]
        if not pieces:
            raise InputError(
                f"results/{name}.csv: nothing to measure: every confirmed seed diverged"
            )
        files.write_csv(files.RESULTS / f"{name}.csv", pd.concat(pieces))
    timing.record(files.RESULTS / "evaluation.csv")


if __name__ == "__main__":
    main()
