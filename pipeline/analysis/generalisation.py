"""Do larger batches generalise worse? Test scores against the smallest batch size's, by budget."""

import numpy as np
import pandas as pd

from pipeline.analysis import statistics
from pipeline.analysis.budgets import WHOLE
from pipeline.analysis.selection import SAME_RATE
from pipeline.analysis.targets import PACK
from pipeline.analysis.tradeoff import columns

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
        rates = selection.loc[selection["criterion"] == criterion, [*PACK, "lr"]]
        own = evaluation[evaluation["budget"] == budget].merge(rates, on=[*PACK, "lr"])
        for _, part in own.groupby("variant"):
            found = against_smallest(part, margin)
            found.insert(0, "comparison", name)
            tables.append(found)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def against_smallest(own: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The rows of one comparison and variant."""
    scores = own.pivot(index="seed", columns="batch_size", values="test_score")
    gaps = own.pivot(index="seed", columns="batch_size", values="generalisation_gap")
    differences = scores.sub(scores.iloc[:, 0], axis=0)
    rows = []
    for size in scores:
        paired = differences[size].dropna().tolist()
        rows.append(
            {"variant": own["variant"].iloc[0], "batch_size": size,
             "lr": own.loc[own["batch_size"] == size, "lr"].iloc[0], "seeds": len(paired)}
            | columns("test_score", statistics.mean(scores[size].dropna().tolist()))
            | columns("generalisation_gap", statistics.mean(gaps[size].dropna().tolist()))
            | columns("difference", statistics.mean(paired))
            | {"p_worse": statistics.p_below(paired, 0.0),
               "p_better": statistics.p_below([-one for one in paired], 0.0),
               "p_equivalent": max(statistics.p_below(paired, margin),
                                   statistics.p_below([-one for one in paired], margin))}
        )  # fmt: skip
    table = pd.DataFrame(rows)
    others = table.index[1:]
    for name in ("p_worse", "p_better", "p_equivalent"):
        table[name] = table[name].where(table.index > 0)
        table.loc[others, name] = statistics.holm(table.loc[others, name].to_numpy())
    found = [table[f"p_{word}"] < SIGNIFICANT for word in ("worse", "better", "equivalent")]
    words = ["", "worse", "better", "equivalent"]
    table["verdict"] = np.select([table.index == 0, *found], words, "unclear")
    return table
