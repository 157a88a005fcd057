"""Call the program for more fresh seeds at the batch sizes that are not told apart by the confirmed
ones, as ``pipeline.stages.contest`` does.

Writes results/: contest.parquet, contest_lanes.parquet, both empty without
``limits.indifference``.
"""

from collections.abc import Iterable, Iterator

import pandas as pd

from pipeline.analysis import contest
from pipeline.analysis.contest import Contest, Tables
from pipeline.errors import command
from pipeline.outside.called import Called
from pipeline.params.load import load_params
from pipeline.selection import targets
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Look, train, look again, write."""
    params = load_params(files.PARAMS)
    held = Contest(params, contest.confirmed(files.RESULTS))
    told = Called.of(params) if params.limits.indifference is not None else None

    def train(packs: Iterable[pd.DataFrame], seeds: list[int], _: int) -> Iterator[Tables]:
        assert told is not None
        for chosen in packs:
            limit = targets.far_beyond(chosen)
            found = told.on_seeds(chosen, seeds, "contest", limit)
            yield found.lanes, found.history

    held.hold(train)
    lanes, history = held.tables()
    files.write_parquet(files.RESULTS / "contest.parquet", history)
    files.write_parquet(files.RESULTS / "contest_lanes.parquet", lanes)
    if told:
        told.clear()
    durations.record(files.RESULTS / "contest_lanes.parquet")


if __name__ == "__main__":
    main()
