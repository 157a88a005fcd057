"""Choose the winning rates of every batch size and train them again on fresh seeds.

Every interval of the report comes from these seeds alone: whoever wins a grid was also lucky. They
are evaluated densely where the target is expected, and they decide which of each batch size's two
fastest rates is the faster one.
Writes results/: selection.csv, confirm.parquet, confirm_lanes.parquet, confirm.safetensors, and
in snapshots.csv and snapshots.safetensors the weights along the way that ``evaluate`` looks at;
branches.csv, what larger batches make of some of them.
"""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from pipeline.branches import branches
from pipeline.branches.branches import Trunk
from pipeline.errors import command
from pipeline.lanes import trainings
from pipeline.params.load import Params, load_params
from pipeline.selection import budgets, targets, winners
from pipeline.selection.keys import rows_of
from pipeline.selection.targets import Validation
from pipeline.solutions import snapshots
from pipeline.training import budget, dataset
from pipeline.training.dataset import Dataset
from pipeline.training.device import device
from pipeline.training.pack import Pack, Trained
from pipeline.workspace import durations, files


@dataclass(frozen=True)
class Confirmation:
    """A pack of winners to train on its data; kept: the solutions to keep along the way."""

    pack: Pack
    data: Dataset
    kept: pd.DataFrame

    @property
    def name(self) -> str:
        """The pack's name in files and messages."""
        return f"{self.pack.cells[0].variant}-{self.pack.batch_size}"


def confirmations(
    params: Params, chosen: pd.DataFrame, screened: pd.DataFrame
) -> Iterator[Confirmation]:
    """The packs to train; a batch size without a winner has none. screened: ``budgets.whole``."""
    limits, equal_loss = budgets.common(screened), budgets.equal_loss(screened, chosen)
    compared = set(screened["variant"])
    where = device(params.impl.device_here)
    trunk = smallest_of_first(params, chosen)
    load = functools.cache(lambda scaling: dataset.load(files.PROCESSED, scaling, where))
    for variant, size in params.packs():
        data = load(params.settings(variant).scaling)
        rows = rows_of(chosen, variant, budget.resolve(size, len(data.train)))
        if len(rows):
            seeds = params.confirm_seeds()
            pack = trainings.fresh_pack(params, variant, size, rows, seeds, "confirm", data)
            if params.limits.study_seconds is not None and variant not in compared:
                pack = pack.stopped(targets.far_beyond(rows))
            down = equal_loss.get((variant, pack.batch_size))
            pack = replace(pack, dense=(*pack.dense, *([] if down is None else [down])))
            is_trunk = (variant, pack.batch_size) == trunk
            kept = snapshots.wanted(pack, rows, limits, down, is_trunk)
            steps = tuple(sorted(set(kept["step"])))
            yield Confirmation(replace(pack, snapshots=steps), data, kept)


def smallest_of_first(params: Params, chosen: pd.DataFrame) -> tuple[str, int]:
    """The pack whose trainings larger batches branch off: the first variant's smallest."""
    variant = next(name for name in params.grid.variant if len(rows_of(chosen, name)))
    return variant, int(rows_of(chosen, variant)["batch_size"].min())


@dataclass
class Outcome:
    """What all confirmations left behind, pack by pack."""

    history: list[pd.DataFrame] = field(default_factory=list)
    cells: list[pd.DataFrame] = field(default_factory=list)
    snapshots: list[pd.DataFrame] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    snapshot_weights: dict[str, np.ndarray] = field(default_factory=dict)
    trunk: Trunk | None = None

    def add(self, work: Confirmation, trained: Trained) -> None:
        """Add what the training of one more pack left behind."""
        kept = snapshots.survived(work.kept, trained)
        keys = trainings.keys(work.pack).drop(columns="phase").iloc[kept["cell"]]
        moments = kept[["moment", "step"]].reset_index(drop=True)
        self.history.append(trainings.history(work.pack, trained))
        self.cells.append(trainings.cell_table(work.pack, trained))
        self.snapshots.append(keys.reset_index(drop=True).join(moments))
        self.weights |= {f"{work.name}/{name}": array for name, array in trained.weights.items()}
        if len(kept):
            arrays = snapshots.weights(kept, trained)
            self.snapshot_weights |= {f"{work.name}/{name}": a for name, a in arrays.items()}
        left = kept[kept["moment"] == snapshots.BRANCH]
        if len(left):
            self.trunk = Trunk(work.pack, left, snapshots.weights(left, trained))

    def arrivals(self, metric: str, target: float) -> pd.DataFrame:
        """``targets.arrivals`` of all trainings."""
        cells = pd.concat(self.cells)
        smooth = targets.curves(cells, pd.concat(self.history), metric)
        return targets.arrivals(cells, smooth, metric, target)

    def write(self) -> None:
        """Write everything but the selection."""
        results = files.RESULTS
        files.write_csv(results / "snapshots.csv", pd.concat(self.snapshots))
        files.write_tensors(results / "snapshots.safetensors", self.snapshot_weights)
        files.write_tensors(results / "confirm.safetensors", self.weights)
        files.write_parquet(results / "confirm_lanes.parquet", pd.concat(self.cells))
        files.write_parquet(results / "confirm.parquet", pd.concat(self.history))


def branched(trunk: Trunk | None, params: Params) -> pd.DataFrame:
    """``branches.measure``; no rows where every training of the trunk diverged."""
    if trunk is None:
        return branches.none()
    scaling = trunk.pack.settings.scaling
    data = dataset.load(files.PROCESSED, scaling, device(params.impl.device_here))
    return branches.measure(trunk, data, params)


def selected(params: Params, lanes: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """``winners.select`` on the processed data."""
    summary = json.loads((files.PROCESSED / "summary.json").read_text())
    examples = summary["examples"]
    own_budget = params.settings(params.grid.variant[0]).budget
    pilot = budget.cheapest(own_budget, examples["train"], params.grid.batch_size)
    validation = Validation.of(summary)
    size = budget.resolve(pilot, examples["train"])
    return winners.select(params, lanes, history, validation, size)


@command
def main() -> None:
    """Read runs/, select, train the winners, write results/."""
    params = load_params(files.PARAMS)
    lanes, history = files.runs(params, "lanes.parquet"), files.runs(params, "history.parquet")
    whole = budgets.whole(lanes, history)
    chosen = selected(params, lanes, history)
    store, outcome = trainings.checkpoints("confirm", params), Outcome()
    works = list(confirmations(params, chosen, whole))
    packs = [(f"confirm {work.name}", work.pack, work.data) for work in works]
    for work, trained in zip(works, trainings.train_each(packs, params, store), strict=True):
        outcome.add(work, trained)
    arrivals = outcome.arrivals(params.target.metric, chosen["target"].iloc[0])
    files.write_csv(files.RESULTS / "selection.csv", winners.settled(chosen, arrivals))
    outcome.write()
    files.write_csv(files.RESULTS / "branches.csv", branched(outcome.trunk, params))
    store.clear()
    durations.record(files.RESULTS / "selection.csv")


if __name__ == "__main__":
    main()
