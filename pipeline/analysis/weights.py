"""How weights move: their growth along the training, and the loss on lines between solutions."""

import pandas as pd

from pipeline.selection.keys import rows_of


def growth(curves: pd.DataFrame, variant: str) -> pd.Series:
    """Length of the weights at the last evaluation over the first, by (batch_size, seed)."""
    rows = rows_of(curves, variant).sort_values("step")
    lengths = rows.groupby(["batch_size", "seed"])["weight_norm"].agg(["first", "last"])
    return lengths["last"] / lengths["first"]


def line_peaks(line: pd.DataFrame) -> pd.DataFrame:
    """One row per seed: the highest training loss between two solutions (``peak``), and at the
    higher of the two (``end``). line: the landscape's rows of one variant's lines."""
    between = line[line["position"].between(0, 1)].groupby("seed")["train_loss"].max()
    ends = line[line["position"].isin([0, 1])].groupby("seed")["train_loss"].max()
    return pd.DataFrame({"peak": between, "end": ends})
