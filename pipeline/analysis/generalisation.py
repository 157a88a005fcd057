"""Do larger batches generalise worse? Test scores against the smallest batch size's, by budget."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.analysis.scores import Outcomes, crossed
from pipeline.selection import statistics
from pipeline.selection.keys import RATE, SAME_RATE, WHOLE, rows_of
from pipeline.selection.statistics import Estimate
from pipeline.selection.winners import rates_of

Floats = npt.NDArray[np.float64]

COMPARISONS = {
    "equal epochs, one rate": ("equal epochs", SAME_RATE),
    "equal epochs": ("equal epochs", "equal_epochs"),
    "equal steps": ("equal steps", "equal_steps"),
    WHOLE: (WHOLE, "best_score"),
}
"""Which solutions are compared: at the end of which budget, at the rate of which criterion."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Trend:
    """How the test error changes from the smallest to the largest batch size; error: that of the
    smallest, as a share: of examples, or of the targets' variance."""

    smallest: int
    largest: int
    error: float
    ratio: Estimate


def trends(
    selection: pd.DataFrame, outcomes: Mapping[str, Outcomes], variant: str
) -> dict[str, Trend]:
    """``trend`` of each of COMPARISONS that has two batch sizes and two seeds. outcomes: by
    budget."""
    found = {}
    for name, (budget, criterion) in COMPARISONS.items():
        if budget in outcomes:
            rates = rows_of(rates_of(selection, criterion), variant)
            keys = sorted(rates.itertuples(index=False, name=None))
            known = {key[1]: outcomes[budget].errors(key) for key in keys}
            tables = {size: table for size, table in known.items() if len(table)}
            shared = [set(table.index) for table in tables.values()]
            seeds = sorted(set.intersection(*shared)) if shared else []
            if len(tables) > 1 and len(seeds) > 1:
                found[name] = trend({size: t.loc[seeds].to_numpy() for size, t in tables.items()})
    return found


def trend(errors: Mapping[int, Floats]) -> Trend:
    """The line through log mean error against log batch size, from its first to its last point; a
    batch size without any error counts as half a one.

    errors: by batch size (seeds, examples), of the same seeds and examples. Its error is that of
    ``scores.crossed``, of the line's weights times each relative error: what the mean's logarithm
    is to first order.
    """
    sizes = np.array(sorted(errors))
    table = np.stack([errors[size] for size in sizes])
    least = 0.5 / table.shape[2]
    means = table.mean((1, 2))
    means = np.where(means > 0, means, least)
    x = np.log(sizes) - np.log(sizes).mean()
    weights = x / (x**2).sum() * np.log(sizes[-1] / sizes[0])
    half = crossed(np.einsum("b,bse->se", weights / means, table)).half()
    value = float(weights @ np.log(means))
    low, middle, high = (float(np.exp(value + sign * half)) for sign in (-1, 0, 1))
    ratio = Estimate(middle, low, high, table.shape[1])
    return Trend(int(sizes[0]), int(sizes[-1]), float(means[0]), ratio)


def compare(evaluation: pd.DataFrame, selection: pd.DataFrame, margin: float) -> pd.DataFrame:
    """One row per (comparison, variant, batch size): test score, gap, and the paired difference in
    test score from the variant's smallest batch size.

    p_worse and p_better: paired t tests' that the score is lower, higher; p_equivalent: of two
    one-sided tests that it is within ``margin`` (Schuirmann 1987). Each is Holm-adjusted over the
    batch sizes of a comparison. verdict: worse, better, equivalent, or unclear; empty for the
    smallest itself.
    """
    tables = []
    for name, (budget, criterion) in COMPARISONS.items():
        of_budget = evaluation[evaluation["budget"] == budget]
        if of_budget.empty:
            continue
        chosen = of_budget.merge(rates_of(selection, criterion), on=RATE)
        for _, cells in chosen.groupby("variant"):
            rows = against_smallest(cells, margin)
            rows.insert(0, "comparison", name)
            tables.append(rows)
    if not tables:
        return pd.DataFrame(columns=["comparison", "variant", "batch_size", "verdict"])
    return pd.concat(tables, ignore_index=True)


def against_smallest(cells: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The rows of one comparison and variant; cells: its evaluations."""
    scores = cells.pivot(index="seed", columns="batch_size", values="test_score")
    gaps = cells.pivot(index="seed", columns="batch_size", values="generalisation_gap")
    lr_of = cells.groupby("batch_size")["lr"].first()
    differences = scores.sub(scores.iloc[:, 0], axis=0)
    rows = []
    for size in scores:
        paired = differences[size].dropna().tolist()
        turned = [-difference for difference in paired]
        within = (statistics.p_below(paired, margin), statistics.p_below(turned, margin))
        rows.append(
            {"variant": cells["variant"].iloc[0], "batch_size": size}
            | {"lr": lr_of[size], "seeds": len(paired)}
            | statistics.mean(scores[size].dropna().tolist()).columns("test_score")
            | statistics.mean(gaps[size].dropna().tolist()).columns("generalisation_gap")
            | statistics.mean(paired).columns("difference")
            | {"p_worse": statistics.p_below(paired, 0.0)}
            | {"p_better": statistics.p_below(turned, 0.0), "p_equivalent": max(within)}
        )
    table = pd.DataFrame(rows)
    others = table.index[1:]
    for name in ("p_worse", "p_better", "p_equivalent"):
        table[name] = table[name].where(table.index > 0)
        table.loc[others, name] = statistics.holm(table.loc[others, name].to_numpy())
    shown = [table[f"p_{word}"] < SIGNIFICANT for word in ("worse", "better", "equivalent")]
    words = ["", "worse", "better", "equivalent"]
    table["verdict"] = np.select([table.index == 0, *shown], words, "unclear")
    return table
