"""Trainings of another program as the tables that every later stage reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.outside.curve import LOSSES
from pipeline.params.settings import Cell
from pipeline.selection.keys import CELL, STOPPED, WHOLE
from pipeline.workspace import files

TASK = "outside"
"""Of which neither a score's name is known, nor how an example is scored."""
UNKNOWN = ("train_loss_sd", "grad_norm", "weight_norm", "largest_weight", "update_to_weight")
"""Columns of a history that only this project's own trainings fill."""
RUN_FILES = ("history.parquet", "failed.csv", "lanes.parquet")
FAILED = (*CELL, "reason", "log")


@dataclass(frozen=True)
class Tables:
    """lanes: a row for each training, with its last test_score; history: a row for each of its
    evaluations; failed: cells without a training, with the reason and the log that tells more."""

    lanes: pd.DataFrame
    history: pd.DataFrame
    failed: pd.DataFrame


@dataclass(frozen=True)
class Timed:
    """The seconds of a step, and those of a call beside its steps, NaN where none was made.

    cores, peak_bytes: how many cores a whole training keeps busy, and the memory that its largest
    process takes.
    is_told_along: whether the program writes its seconds along a call.
    """

    step: float
    call: float = float("nan")
    cores: float = float("nan")
    peak_bytes: int = 0
    is_told_along: bool = False


def named(cell: Cell) -> dict[str, object]:
    """What names a cell in a table."""
    return {name: getattr(cell, name) for name in CELL}


def tables(
    curves: pd.DataFrame, cells: pd.DataFrame, examples: int | None, failed: Iterable[object] = ()
) -> Tables:
    """The tables of trainings.

    curves: CELL and the columns of ``curve.checked``, ascending. cells: CELL, phase, steps to
    train, and is_stopped of those that ended before for a reason of their own. examples: of an
    epoch; None where it is not known.
    """
    missing = [name for name in (*LOSSES, "test_score") if name not in curves]
    curves = curves.assign(**dict.fromkeys(missing, np.nan))
    is_lost = np.isinf(curves[list(LOSSES)]).any(axis=1)
    lost_at = curves[is_lost].groupby(CELL)["step"].min().rename("lost_at")
    both = curves.merge(lost_at, on=CELL, how="left")
    known = both[~(both["step"] >= both["lost_at"])].drop(columns="lost_at")
    evaluated = known[known[["val_loss", "val_score"]].notna().any(axis=1)]
    history = cells[[*CELL, "phase"]].merge(evaluated, on=CELL)
    history["examples"] = history["step"] * history["batch_size"]
    history["epoch"] = history["examples"] / (examples or np.nan)
    history[list(UNKNOWN)] = np.nan
    order = [*CELL, "phase", "step", "epoch", "examples", *LOSSES, *UNKNOWN]
    return Tables(
        lanes(cells, known, lost_at), history[order], pd.DataFrame(failed, columns=list(FAILED))
    )


def lanes(cells: pd.DataFrame, known: pd.DataFrame, lost_at: "pd.Series[int]") -> pd.DataFrame:
    """lanes.parquet. known: the curves until they diverge, if they do, ``lost_at``."""
    by_cell = known.groupby(CELL)
    ends = by_cell[[*LOSSES, "test_score"]].last().add_prefix("final_")
    found = cells.merge(lost_at, on=CELL, how="left").merge(ends, on=CELL, how="left")
    for name, best in (
        ("val_score", by_cell["val_score"].max()),
        ("val_loss", by_cell["val_loss"].min()),
    ):
        found = found.merge(best.rename(f"best_{name}"), on=CELL, how="left")
    found = found.merge(by_cell["step"].last().rename("last"), on=CELL, how="left")
    is_lost, is_stopped = found["lost_at"].notna(), found["is_stopped"].astype(bool)
    found["status"] = np.select([is_lost, is_stopped], ["diverged", STOPPED], "finished")
    steps = found["lost_at"].where(is_lost, found["last"].where(is_stopped, found["steps"]))
    found["steps"], found["diverged_step"] = steps.astype("int64"), found["lost_at"].astype("Int64")
    finals = [name for name in found if name.startswith("final_")]
    found[finals] = found[finals].where(found["status"] == "finished")
    found["final_train_score"] = np.nan
    found = found.rename(columns={"final_test_score": "test_score"})
    found["engine"], found["micro_batches"] = "outside", 1
    return found.drop(columns=["lost_at", "is_stopped", "last"])


def together(parts: Iterable[Tables]) -> Tables:
    """Several tables as one."""
    kept = list(parts)
    return Tables(
        pd.concat([part.lanes for part in kept], ignore_index=True),
        pd.concat([part.history for part in kept], ignore_index=True),
        pd.concat([part.failed for part in kept], ignore_index=True),
    )


def write(run: Path, found: Tables) -> None:
    """Write a pack's run."""
    files.write_parquet(run / "history.parquet", found.history)
    files.write_csv(run / "failed.csv", found.failed)
    files.write_parquet(run / "lanes.parquet", found.lanes)


def evaluation(lanes: pd.DataFrame) -> pd.DataFrame:
    """evaluation.csv: the test scores that the fresh trainings tell."""
    told = lanes.dropna(subset=["test_score"])
    table = told[[*CELL, "test_score"]].assign(budget=WHOLE, generalisation_gap=np.nan)
    return table[[*CELL, "budget", "test_score", "generalisation_gap"]]
