"""What the measures of sharpness say about batch sizes, and whether curvature limits the rate."""

import pandas as pd

from pipeline.analysis import lines
from pipeline.params.optimizer import Optimizer
from pipeline.selection import statistics
from pipeline.selection.keys import CELL, PACK, rows_of
from pipeline.selection.statistics import Estimate

MEASURES = {
    "eigenvalue_1": "largest eigenvalue",
    "keskar_full_0.001": "Keskar's metric",
    "adaptive": "adaptive sharpness",
}
"""The three that claims and figures speak of, of all that is measured."""
TINY = 1e-12
"""A measure that is not positive counts as this in logarithms."""


def by_batch_size(sharpness: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size): geometric means over seeds with intervals."""
    solutions = sharpness[sharpness["point"] == "solution"]
    rows = []
    for pack, table in solutions.groupby(PACK, sort=True):
        row = dict(zip(PACK, pack, strict=True))
        row |= {"lr": table["lr"].iloc[0], "solutions": len(table)}
        for name in MEASURES:
            positive = table[name].clip(lower=TINY).tolist()
            row |= statistics.geometric_mean(positive).columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def exponents(sharpness: pd.DataFrame, variant: str) -> dict[str, Estimate]:
    """k of measure = c B^k by the measure's column: ``lines.slope_by_seed``."""
    solutions = rows_of(sharpness[sharpness["point"] == "solution"], variant)
    positive = solutions.assign(
        **{name: solutions[name].clip(lower=TINY) for name in MEASURES if name in solutions}
    )
    return {name: lines.slope_by_seed(positive, "batch_size", name) for name in MEASURES}


def equal_loss_exponent(sharpness: pd.DataFrame, variant: str) -> Estimate:
    """k of largest eigenvalue = c B^k loss^j at one rate, where trainings come down to a common
    training loss: ``lines.partial_slope``."""
    rows = at_equal_loss(sharpness, variant)
    return lines.partial_slope(rows, "eigenvalue_1", "train_loss")


def at_equal_loss(sharpness: pd.DataFrame, variant: str) -> pd.DataFrame:
    """The solutions there, with a positive largest eigenvalue."""
    columns = [*CELL, "train_loss", "eigenvalue_1"]
    return curved(sharpness, variant, "equal loss").reindex(columns=columns)


def early_products(sharpness: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Rate times largest eigenvalue early in every training that was watched."""
    rows = curved(sharpness, variant, "early").reindex(columns=[*CELL, "eigenvalue_1"])
    return rows[CELL].assign(product=rows["lr"] * rows["eigenvalue_1"])


def curved(sharpness: pd.DataFrame, variant: str, point: str) -> pd.DataFrame:
    """A variant's solutions of one kind whose largest eigenvalue is positive."""
    rows = rows_of(sharpness, variant)
    if rows.empty:
        return rows
    return rows[rows["point"].eq(point) & rows["eigenvalue_1"].gt(0)].reset_index(drop=True)


def control(sharpness: pd.DataFrame) -> pd.DataFrame:
    """One row per measure: how a rescaling that leaves the function as it is changes it.

    ratio: the geometric mean over packs of rescaled over original, with its interval.
    """
    pairs = sharpness[sharpness["point"] == "rescaled"].merge(
        sharpness[sharpness["point"] == "solution"], on=CELL, suffixes=("_after", "")
    )
    if pairs.empty:
        return pd.DataFrame()
    rows = []
    for name, words in MEASURES.items():
        before, after = (pairs[f"{name}{end}"].clip(lower=TINY) for end in ("", "_after"))
        ratio = statistics.geometric_mean((after / before).tolist())
        rows.append({"measure": words} | ratio.columns("ratio") | {"solutions": ratio.n})
    return pd.DataFrame(rows)


def stability_limit(optimizer: Optimizer) -> float | None:
    """What rate times largest eigenvalue may reach before full-batch descent diverges.

    2 for gradient descent, more with momentum (Cohen et al. 2021, section 2 and appendix B); None
    for optimizers that scale each weight's gradient by itself.
    """
    momentum = optimizer.momentum
    if optimizer.clip_norm is not None:  # a step is never long enough to diverge
        return None
    if optimizer.name == "sgd":
        return 2 + 2 * momentum
    if optimizer.name == "nesterov":
        return (2 + 2 * momentum) / (1 + 2 * momentum)
    return None


def products(sharpness: pd.DataFrame, variant: str) -> pd.DataFrame:
    """One row per batch size and point: rate times largest eigenvalue, averaged over seeds."""
    rows = rows_of(sharpness[sharpness["point"] != "rescaled"], variant)
    rows = rows.assign(product=rows["lr"] * rows["eigenvalue_1"])
    return rows.groupby(["batch_size", "point", "lr"], sort=True)["product"].mean().reset_index()
