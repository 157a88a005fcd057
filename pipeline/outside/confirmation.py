"""The winning rates of another program's trainings, and how these did on other seeds."""

from collections.abc import Callable

import pandas as pd

from pipeline.outside.curve import check_metric
from pipeline.outside.trainings import TASK, Tables, together
from pipeline.params.load import Params
from pipeline.selection import budgets, targets, winners
from pipeline.selection.keys import PACK
from pipeline.selection.targets import Validation

Fresh = Callable[[pd.DataFrame, bool], Tables]
"""The selection's rows of one pack, the fastest rate first, and whether trainings may end far
beyond the target, to their trainings on fresh seeds."""


def confirmed(
    params: Params, lanes: pd.DataFrame, history: pd.DataFrame, fresh: Fresh, pilot: int
) -> tuple[pd.DataFrame, Tables]:
    """The selection, and the trainings of its rates on fresh seeds.

    pilot: the batch size that an automatic target comes from.

    Raises InputError where the target's metric was not recorded, and as ``winners.select``.
    """
    metric = params.target.metric
    check_metric(history, metric)
    validation = Validation(TASK, params.trainer.val_examples)
    chosen = winners.select(params, lanes, history, validation, pilot)
    compared = set(budgets.whole(lanes, history)["variant"])
    is_limited = params.limits.study_seconds is not None
    found = together(
        fresh(rows, is_limited and variant not in compared)
        for (variant, _), rows in chosen.groupby(PACK, sort=False)
    )
    smooth = targets.curves(found.lanes, found.history, metric)
    arrived = targets.arrivals(found.lanes, smooth, metric, chosen["target"].iloc[0])
    return winners.settled(chosen, arrived), found
