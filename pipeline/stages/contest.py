"""Train more fresh seeds at the batch sizes that are not told apart by the confirmed ones.

After every round one looks again: until one batch size is shown to be the fastest, those that may
be are within ``limits.indifference`` of each other, or all looks are taken. These trainings go on
as far as they tell who reached the target. Writes results/: contest.parquet, contest_lanes.parquet,
both empty without ``limits.indifference``. Which batch sizes are trained depends on the timings.
"""

import functools
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from pipeline.analysis import answer, contest
from pipeline.analysis.measurements import Measurements
from pipeline.errors import command
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.params.protocol import CONFIRM_SEED_BASE
from pipeline.selection import targets
from pipeline.selection.keys import TWO_FASTEST, rows_of
from pipeline.training import budget, dataset
from pipeline.training.device import device
from pipeline.workspace import durations, files


@dataclass
class Contest:
    """All fresh trainings so far; history and lanes are those of the contest alone."""

    params: Params
    measured: Measurements
    history: list[pd.DataFrame] = field(default_factory=list)
    lanes: list[pd.DataFrame] = field(default_factory=list)

    def contenders(self) -> pd.DataFrame:
        """The packs that more seeds are trained for: variant and batch_size."""
        params = self.params
        metric, indifference = params.target.metric, params.limits.indifference
        assert indifference is not None
        measured = replace(
            self.measured,
            contest=pd.concat([pd.DataFrame(), *self.history]),
            contest_lanes=pd.concat([pd.DataFrame(), *self.lanes]),
        )
        smooth = targets.curves(measured.fresh_lanes, measured.fresh, metric)
        found = answer.answer(measured, smooth, metric, measured.target, (), params.seed)
        return found.tradeoff.iloc[contest.contenders(found.drawn, indifference)]

    def train(self, rows: pd.DataFrame, look: int) -> None:
        """Train the seeds of one look at the two fastest rates of some packs."""
        params, selection = self.params, self.measured.selection
        seeds = [CONFIRM_SEED_BASE + n for n in contest.seeds_of_look(params.confirm.seeds, look)]
        label = f"contest, look {look}"
        store = trainings.checkpoints(label, params)
        where = device(params.impl.device)
        load = functools.cache(lambda scaling: dataset.load(files.PROCESSED, scaling, where))
        for variant, asked in params.packs():
            data = load(params.settings(variant).scaling)
            size = budget.resolve(asked, len(data.train))
            if rows_of(rows, variant, size).empty:
                continue
            chosen = rows_of(selection, variant, size)
            chosen = chosen[chosen["criterion"].isin(TWO_FASTEST)]
            pack = trainings.fresh_pack(params, variant, asked, chosen, seeds, "contest", data)
            pack = pack.stopped(trainings.far_beyond(chosen))
            trained = trainings.train(pack, data, params, store, f"{label}, {variant} {asked}")
            self.history.append(trainings.history(pack, trained))
            self.lanes.append(trainings.cell_table(pack, trained))
        store.clear()


def measurements() -> Measurements:
    """What is known of the confirmed trainings, and the first pass of the timings."""
    results = files.RESULTS
    return Measurements(
        selection=pd.read_csv(results / "selection.csv"),
        confirmed=pd.read_parquet(results / "confirm.parquet"),
        confirmed_lanes=pd.read_parquet(results / "confirm_lanes.parquet"),
        throughput=pd.read_csv(results / "throughput.csv").assign(later_over_earlier=np.nan),
    )


@command
def main() -> None:
    """Look, train, look again, write."""
    params = load_params(files.PARAMS)
    held = Contest(params, measurements())
    if params.limits.indifference is not None:
        for look in range(1, contest.LOOKS):
            rows = held.contenders()
            if rows.empty:
                break
            named = ", ".join(f"{row.variant} {row.batch_size}" for row in rows.itertuples())
            print(f"contest: not told apart: {named}", file=sys.stderr)
            held.train(rows, look)
    for name, parts in (("contest", held.history), ("contest_lanes", held.lanes)):
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        files.write_parquet(files.RESULTS / f"{name}.parquet", table)
    durations.record(files.RESULTS / "contest_lanes.parquet")


if __name__ == "__main__":
    main()
