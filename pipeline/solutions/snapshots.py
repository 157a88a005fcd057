"""Which weights along the confirmed trainings are kept, and for what.

equal epochs, equal steps   the solutions that batch sizes are compared by under these budgets
equal loss                  those at one rate, where each batch size comes down to a common loss
early                       a tenth into the trainings at the fastest rate, for their curvature
middle                      half into the first of them, for the gradient's noise
branch                      of the trunk, the trainings of one batch size: where branches leave it
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.selection.keys import BUDGET_CRITERIA, SAME_RATE
from pipeline.training.pack import Pack, Trained

EQUAL_LOSS = "equal loss"
BRANCH = "branch"
BRANCH_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Of the steps that the fastest rate is expected to take to the target."""
SHARES = {"early": 0.1, "middle": 0.5}
CRITERIA = {name: {criterion} for name, criterion in BUDGET_CRITERIA.items()}
CRITERIA["equal epochs"].add(SAME_RATE)


def wanted(
    pack: Pack,
    chosen: pd.DataFrame,
    limits: dict[str, tuple[str, float]],
    equal_loss_step: int | None,
    is_trunk: bool,
) -> pd.DataFrame:
    """One row per solution to keep: moment, step, and cell, the place in the pack.

    chosen: the pack's rows of the selection; limits: ``budgets.common`` of all trainings;
    equal_loss_step: of ``budgets.equal_loss``, an evaluation of the pack. A limit that lies
    between two evaluations counts as the earlier one.
    """
    rows = []
    if equal_loss_step is not None:
        rows += [
            (EQUAL_LOSS, equal_loss_step, place)
            for place, cell in enumerate(pack.cells)
            if cell.lr in set(chosen.loc[chosen["criterion"] == SAME_RATE, "lr"])
        ]
    for moment, criteria in CRITERIA.items():
        counter, limit = limits[moment]
        rates = set(chosen.loc[chosen["criterion"].isin(criteria), "lr"])
        rows += [
            (moment, evaluation_up_to(pack, counter, limit), place)
            for place, cell in enumerate(pack.cells)
            if cell.lr in rates
        ]
    places = watched(pack, chosen)
    for moment, share in SHARES.items():
        step = evaluation_up_to(pack, "step", share * pack.end)
        rows += [(moment, step, place) for place in places[: None if moment == "early" else 1]]
    if is_trunk:
        end = chosen.loc[chosen["criterion"] == "fastest", "response_steps"].min()
        end = np.fmin(end, pack.phases[0].end)  # where the batch grows: while it is the first
        steps = {evaluation_up_to(pack, "step", share * end) for share in BRANCH_SHARES}
        rows += [(BRANCH, step, place) for step in sorted(steps) for place in places]
    return pd.DataFrame(rows, columns=["moment", "step", "cell"])


def evaluation_up_to(pack: Pack, counter: str, limit: float) -> int:
    """The last evaluation up to so many steps or epochs; the first one where that is later."""
    points = pack.evaluation_steps
    counted = [pack.epochs_seen(step) for step in points] if counter == "epoch" else points
    inside = (s for s, count in zip(points, counted, strict=True) if count <= limit * (1 + 1e-9))
    return max(inside, default=points[0])


def watched(pack: Pack, chosen: pd.DataFrame) -> list[int]:
    """The cells that are watched: those of the fastest rate, or of the best where none reached the
    target."""
    order = chosen.sort_values("criterion", key=lambda names: names != "fastest", kind="stable")
    rate = order["lr"].iloc[0]
    return [place for place, cell in enumerate(pack.cells) if cell.lr == rate]


def weights(table: pd.DataFrame, trained: Trained) -> dict[str, npt.NDArray[np.generic]]:
    """The weights of the table's solutions by name, (solutions, ...)."""
    return {
        name: np.stack(
            [
                trained.snapshots[f"{step}/{name}"][cell]
                for step, cell in zip(table["step"], table["cell"], strict=True)
            ]
        )
        for name in trained.weights
    }


def survived(table: pd.DataFrame, trained: Trained) -> pd.DataFrame:
    """The rows whose cell was trained to their step and had not diverged there."""
    diverged, until = trained.diverged_step[table["cell"]], trained.until[table["cell"]]
    return table[((diverged == 0) | (table["step"] < diverged)) & (table["step"] <= until)]
