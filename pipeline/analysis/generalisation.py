"""Do larger batches generalise worse? Test scores against the smallest batch size's, by budget."""

import numpy as np
import pandas as pd

from pipeline.selection import statistics
from pipeline.selection.keys import RATE, SAME_RATE, WHOLE
from pipeline.selection.winners import rates_of

COMPARISONS = {
    "equal epochs, one rate": ("equal epochs", SAME_RATE),
    "equal epochs": ("equal epochs", "equal_epochs"),
    "equal steps": ("equal steps", "equal_steps"),
    WHOLE: (WHOLE, "best_score"),
}
"""Which solutions are compared: at the end of which budget, at the rate of which criterion."""
SIGNIFICANT = 0.05


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
        chosen = of_budget.merge(rates_of(selection, criterion), on=RATE)
        for _, cells in chosen.groupby("variant"):
            rows = against_smallest(cells, margin)
            rows.insert(0, "comparison", name)
            tables.append(rows)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


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
