"""The winning rates of another program's trainings, and how these did on other seeds."""

from collections.abc import Callable, Sequence

import pandas as pd

from pipeline.outside.curve import check_metric
from pipeline.outside.trainings import TASK, Tables, together
from pipeline.params.load import Params
from pipeline.selection import targets, winners
from pipeline.selection.keys import PACK
from pipeline.selection.targets import Validation

Fresh = Callable[[str, int, Sequence[float]], Tables]
"""A pack and its chosen rates, the fastest first, to their trainings on fresh seeds."""


def confirmed(
    params: Params, lanes: pd.DataFrame, history: pd.DataFrame, fresh: Fresh
) -> tuple[pd.DataFrame, Tables]:
    """The selection, and the trainings of its rates on fresh seeds.

    Raises InputError where the target's metric was not recorded, and as ``winners.select``.
    """
    metric = params.target.metric
    check_metric(history, metric)
    validation = Validation(TASK, params.trainer.val_examples)
    chosen = winners.select(params, lanes, history, validation, pilot(lanes))
    rates = chosen.groupby(PACK, sort=False)["lr"].agg(lambda lr: list(dict.fromkeys(lr)))
    found = together([fresh(str(variant), int(size), lr) for (variant, size), lr in rates.items()])
    smooth = targets.curves(found.lanes, found.history, metric)
    arrived = targets.arrivals(found.lanes, smooth, metric, chosen["target"].iloc[0])
    return winners.settled(chosen, arrived), found


def pilot(lanes: pd.DataFrame) -> int:
    """The batch size of the first variant whose longest training takes the fewest examples, the
    largest of equals."""
    first = lanes[lanes["variant"] == lanes["variant"].iloc[0]]
    steps = first.groupby("batch_size")["steps"].max()
    examples = pd.Series(steps.index * steps.to_numpy(), index=steps.index)
    return int(examples[::-1].idxmin())
