"""What the batch size did to the solutions: generalisation, sharpness, landscape, noise.

Packs are spread over the cores, one thread each. Writes results/: evaluation.csv, sharpness.csv,
landscape.csv, gradient_noise.csv.
"""

import sys
from collections.abc import Sequence
from functools import partial

import pandas as pd
from threadpoolctl import threadpool_limits

from pipeline.errors import InputError, command
from pipeline.executors.choice import executor
from pipeline.executors.processes import Job, OnDone, dealt
from pipeline.params.load import load_params
from pipeline.solutions import elsewhere, examine
from pipeline.solutions.archive import Archive
from pipeline.solutions.examine import Examination, Task
from pipeline.training.device import on_one_thread, one_thread
from pipeline.workspace import durations, files
from pipeline.workspace.progress import progress

TABLES = ("evaluation", "sharpness", "landscape", "gradient_noise")


def examined(archive: Archive, tasks: Sequence[Task], on_done: OnDone) -> list[Examination]:
    """Do some of the tasks, one after the other."""
    done = []
    for task in tasks:
        done.append(examine.examination(archive, task))
        on_done(1)
    return done


def spread(archive: Archive, tasks: Sequence[Task], on_done: OnDone) -> list[Examination]:
    """Do all tasks, on a CPU in one process for every core, or on a cluster; in their order."""
    cluster = executor(archive.params)
    if cluster:
        return elsewhere.examined(cluster, archive.params, tasks, on_done)
    if archive.device.type != "cpu":
        return examined(archive, tasks, on_done)

    def job_of(share: Sequence[Task]) -> Job:
        return on_one_thread(partial(examined, archive, share))

    with one_thread(), threadpool_limits(1):  # scipy's linear algebra has threads of its own
        return dealt(tasks, job_of, on_done)


def say_costs(examinations: Sequence[Examination]) -> None:
    """What each measure took, on stderr."""
    seconds = pd.DataFrame([done.seconds for done in examinations]).sum()
    words = [f"{name} {cost:.1f}" for name, cost in seconds.sort_values(ascending=False).items()]
    print(f"evaluate: seconds of one process each: {', '.join(words)}", file=sys.stderr)


@command
def main() -> None:
    """Read the confirmed weights, measure, write four tables and what every solution makes of every
    test example."""
    params = load_params(files.PARAMS)
    archive = Archive(params, params.impl.device_here)
    tasks = examine.tasks(archive.selection)
    with progress("evaluate", len(tasks), "pack") as on_done:
        examinations = spread(archive, tasks, on_done)
    say_costs(examinations)
    for name in TABLES:
        parts = [table for done in examinations for table in done.tables.get(name, [])]
        if not parts:
            rule = "nothing to measure: every confirmed seed diverged"
            raise InputError(f"results/{name}.csv: {rule}")
        files.write_csv(files.RESULTS / f"{name}.csv", pd.concat(parts))
    outcomes = {name: array for done in examinations for name, array in done.outcomes.items()}
    files.write_tensors(files.RESULTS / "test_outcomes.safetensors", outcomes)
    durations.record(files.RESULTS / "evaluation.csv")


if __name__ == "__main__":
    main()
