"""What is known of the data that another program trains on, and a table of runs, checked.

Writes data/processed/: summary.json, features.csv, classes.csv and columns.csv, and for
``trainer=runs`` runs.parquet.
"""

import sys
from pathlib import Path

import pandas as pd

from pipeline.errors import command, require
from pipeline.outside import curve, runs, unmeasured
from pipeline.outside.trainings import TASK
from pipeline.params.load import Params, load_params
from pipeline.selection.keys import CELL, PACK
from pipeline.workspace import durations, files

TABLES = ("features", "classes", "columns")
"""What is said of the project's own data."""


def summary(params: Params) -> dict[str, object]:
    """summary.json: as far as it is known."""
    told = params.trainer
    return {
        "source": told.command or "runs that exist",
        "file": None if told.path is None else Path(told.path).name,
        "md5": None,
        "task": TASK,
        "target": None,
        "shape": [],
        "examples": {"train": told.train_examples, "val": told.val_examples, "test": None},
        "notes": [],
        "warnings": [],
    }


def read_runs(params: Params) -> pd.DataFrame:
    """The table of runs.

    Raises InputError where it has packs that the grid of params.yaml has not.
    """
    assert params.trainer.path is not None
    table = runs.read(Path(params.trainer.path), params.trainer.columns)
    curve.check_metric(table, params.target.metric)
    has = set(table[PACK].drop_duplicates().itertuples(index=False, name=None))
    for pack in sorted(has - set(params.packs())):
        rule = f"is in {params.trainer.path}, but not in the grid: compose params.yaml again"
        require(False, "grid", " ".join(map(str, pack)), rule)
    return table


@command
def main() -> None:
    """Write data/processed."""
    params = load_params(files.PARAMS)
    folder = files.PROCESSED
    if params.trainer.name == "runs":
        table = read_runs(params)
        count = len(table[CELL].drop_duplicates())
        print(f"preprocess: {count:,} runs, {len(table):,} evaluations", file=sys.stderr)
        files.write_parquet(files.PROCESSED_RUNS, table)
    for name in TABLES:
        files.write_csv(folder / f"{name}.csv", unmeasured.table(name))
    files.write_json(folder / "summary.json", summary(params))
    durations.record(folder / "summary.json")


if __name__ == "__main__":
    main()
