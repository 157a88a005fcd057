"""What the measures of sharpness say about batch sizes, and whether curvature limits the rate."""

import pandas as pd

from pipeline.analysis import lines, statistics
from pipeline.analysis.statistics import Estimate
from pipeline.analysis.targets import PACK
from pipeline.analysis.tradeoff import columns

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
    own = sharpness[sharpness["point"] == "solution"]
    rows = []
    for pack, table in own.groupby(PACK, sort=True):
        row = dict(zip(PACK, pack, strict=True))
        row |= {"lr": table["lr"].iloc[0], "solutions": len(table)}
        for name in MEASURES:
            positive = table[name].clip(lower=TINY).tolist()
            row |= columns(name, statistics.geometric_mean(positive))
        rows.append(row)
    return pd.DataFrame(rows)


def exponent(sharpness: pd.DataFrame, variant: str, measure: str) -> Estimate:
    """k of measure = c B^k: ``lines.slope_by_seed``."""
    own = sharpness[(sharpness["point"] == "solution") & (sharpness["variant"] == variant)]
    positive = own.assign(**{measure: own[measure].clip(lower=TINY)})
    return lines.slope_by_seed(positive, "batch_size", measure)


def control(sharpness: pd.DataFrame) -> pd.DataFrame:
    """One row per measure: how a rescaling that leaves the function as it is changes it.

    ratio: the geometric mean over packs of rescaled over original, with its interval.
    """
    keys = [*PACK, "lr", "seed"]
    pairs = sharpness[sharpness["point"] == "rescaled"].merge(
        sharpness[sharpness["point"] == "solution"], on=keys, suffixes=("_after", "")
    )
    if pairs.empty:
        return pd.DataFrame()
    rows = []
    for name, words in MEASURES.items():
        before, after = (pairs[f"{name}{end}"].clip(lower=TINY) for end in ("", "_after"))
        found = statistics.geometric_mean((after / before).tolist())
        rows.append({"measure": words} | columns("ratio", found) | {"solutions": found.n})
    return pd.DataFrame(rows)


def stability_limit(optimizer: str, momentum: float) -> float | None:
    """What rate times largest eigenvalue may reach before full-batch descent diverges.

    2 for gradient descent, more with momentum (Cohen et al. 2021, section 2 and appendix B); None
    for optimizers that scale each weight's gradient by itself.
    """
    if optimizer == "sgd":
        return 2 + 2 * momentum
    return (2 + 2 * momentum) / (1 + 2 * momentum) if optimizer == "nesterov" else None


def products(sharpness: pd.DataFrame, variant: str) -> pd.DataFrame:
    """One row per batch size and point: rate times largest eigenvalue, averaged over seeds."""
    own = sharpness[(sharpness["variant"] == variant) & (sharpness["point"] != "rescaled")]
    own = own.assign(product=own["lr"] * own["eigenvalue_1"])
    return own.groupby(["batch_size", "point", "lr"], sort=True)["product"].mean().reset_index()
