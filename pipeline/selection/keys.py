"""The names that tables of trainings are told apart by: columns, criteria, budgets, moments."""

import pandas as pd

PACK = ["variant", "batch_size"]
RATE = [*PACK, "lr"]
CELL = [*RATE, "seed"]
"""The columns that name a pack, one of its rates, one training."""

STOPPED = "stopped"
"""The status of a training that was stopped when it could no longer matter."""

CRITERIA = ("fastest", "best_score")
"""What a rate may win by in the screening; further criteria are those of the budgets."""
NEXT_FASTEST = "next_fastest"
TWO_FASTEST = ("fastest", NEXT_FASTEST)
"""The two rates between which the fresh seeds decide."""
EQUAL_EPOCHS = "equal epochs"
BUDGET_CRITERIA = {EQUAL_EPOCHS: "equal_epochs", "equal steps": "equal_steps"}
SAME_RATE = "same_rate"
"""The smallest batch size's best rate under equal epochs, of those that all batch sizes trained."""

WHOLE = "whole budget"
BUDGETS = (*BUDGET_CRITERIA, WHOLE)


def rows_of(
    table: pd.DataFrame, variant: str, batch_size: int | None = None, lr: float | None = None
) -> pd.DataFrame:
    """A table's rows of one variant, of one of its packs, or of one rate of a pack; none of an
    empty table, which may lack the columns."""
    if table.empty:
        return table
    chosen = table["variant"] == variant
    if batch_size is not None:
        chosen &= table["batch_size"] == batch_size
    if lr is not None:
        chosen &= table["lr"] == lr
    return table[chosen]
