"""The tables of what another program's trainings cannot be asked: without rows."""

import pandas as pd

from pipeline.selection.keys import CELL, PACK
from pipeline.workspace import files

COLUMNS: dict[str, tuple[str, ...]] = {
    "alignment": ("batch_size", "kind", "rounds", "speed_up", "speed_up_q25", "speed_up_q75"),
    "data_parallel": (
        "variant", "devices", "batch_size", "local_batch_size", "seconds_per_step",
        "seconds_per_step_q25", "seconds_per_step_q75", "seconds_all_reduce", "blocks",
    ),
    "range_tests": ("library", *PACK, "seed", "lr", "loss"),
    "branches": (
        *PACK, "factor", "step", "examples", "seed", "lr", "loss_before", "loss_after",
    ),
    "snapshots": (*CELL, "moment", "step"),
    "retimed": (
        *PACK, "seconds_per_step", "seconds_per_step_q25", "seconds_per_step_q75", "blocks",
    ),
    "sharpness": (
        *CELL, "train_loss", "eigenvalue_1", "eigenvalue_residual", "trace",
        "trace_standard_error", "keskar_full_0.001", "adaptive", "point",
    ),
    "landscape": (
        "variant", "train_loss", "train_score", "test_loss", "test_score", "position", "path",
        "batch_size", "seed", "other_batch_size",
    ),
    "gradient_noise": (
        *CELL, "moment", "examples", "draws", "relative_error", "cosine", "cosine_q10",
        "population", "gradient_norm", "noise_scale", "noise_scale_low", "noise_scale_high",
    ),
    "features": ("feature",),
    "classes": ("class", "train", "val", "test"),
    "columns": ("column", "kind", "missing", "note"),
}  # fmt: skip


def table(name: str) -> pd.DataFrame:
    """The empty table of this name."""
    return pd.DataFrame(columns=list(COLUMNS[name]))


def write(*names: str) -> None:
    """Write the empty tables of these names below results/."""
    for name in names:
        files.write_csv(files.RESULTS / f"{name}.csv", table(name))
