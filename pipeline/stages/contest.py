"""Train more fresh seeds at the batch sizes that are not told apart by the confirmed ones.

After every round one looks again: until one batch size is shown to be the fastest, those that may
be are within ``limits.indifference`` of each other, or all looks are taken. These trainings go on
as far as they tell who reached the target. Writes results/: contest.parquet, contest_lanes.parquet,
both empty without ``limits.indifference``. Which batch sizes are trained depends on the timings.
"""

import functools
from collections.abc import Iterable, Iterator

import pandas as pd

from pipeline.analysis import contest
from pipeline.analysis.contest import Contest, Tables
from pipeline.errors import command
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.selection import targets
from pipeline.training import dataset
from pipeline.training.device import device
from pipeline.workspace import durations, files


def train(
    params: Params, packs: Iterable[pd.DataFrame], seeds: list[int], look: int
) -> Iterator[Tables]:
    """Train the seeds of one look at chosen rates of some packs."""
    label = f"contest, look {look}"
    store = trainings.checkpoints(label, params)
    where = device(params.impl.device_here)
    load = functools.cache(lambda scaling: dataset.load(files.PROCESSED, scaling, where))
    works = []
    for chosen in packs:
        variant, size = str(chosen["variant"].iloc[0]), int(chosen["batch_size"].iloc[0])
        data = load(params.settings(variant).scaling)
        pack = trainings.fresh_pack(params, variant, size, chosen, seeds, "contest", data)
        pack = pack.stopped(targets.far_beyond(chosen))
        works.append((f"{label}, {variant} {size}", pack, data))
    each = trainings.train_each(works, params, store)
    for (_, pack, _), trained in zip(works, each, strict=True):
        yield trainings.cell_table(pack, trained), trainings.history(pack, trained)
    store.clear()


@command
def main() -> None:
    """Look, train, look again, write."""
    params = load_params(files.PARAMS)
    held = Contest(params, contest.confirmed(files.RESULTS))
    held.hold(functools.partial(train, params))
    lanes, history = held.tables()
    files.write_parquet(files.RESULTS / "contest.parquet", history)
    files.write_parquet(files.RESULTS / "contest_lanes.parquet", lanes)
    durations.record(files.RESULTS / "contest_lanes.parquet")


if __name__ == "__main__":
    main()
