"""The answer for programs: recommendation.json, and the few numbers of metrics.json."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.study import Study
from pipeline.selection.keys import rows_of

CHOICE = (
    "variant",
    "batch_size",
    "lr",
    "seconds_to_target",
    "seconds_to_target_low",
    "seconds_to_target_high",
    "steps_to_target",
    "steps_to_target_low",
    "steps_to_target_high",
    "seconds_per_step",
    "threads",
    "peak_bytes",
    "test_score",
    "test_score_low",
    "test_score_high",
    "seeds",
    "reached",
    "probability_fastest",
    "regret",
)


def recommendation(study: Study, headline: str) -> dict[str, Any]:
    """The recommended row of the tradeoff, the runner-up, or the reason why there is none."""
    advice = study.recommendation
    return {
        "headline": headline,
        "recommended": chosen(advice.best),
        "runner_up": chosen(advice.runner_up),
        "reason": advice.reason,
        "may_be_fastest": [
            numbers_of(row) | {"price": price(study, row)} for _, row in study.equals.iterrows()
        ],
        "passed_over_for_its_score": chosen(advice.passed_over),
        "learning_rates": rates(study),
        "targets": band(study),
    } | ({"machines": machines(study)} if study.measured.machines else {})


def machines(study: Study) -> dict[str, Any]:
    """What is recommended on each machine, with what it costs; null where nothing is."""
    table = study.machine_table
    costs = [name for name in table if "_to_target" in name]
    names = ["variant", "batch_size", "lr", *costs]
    found: dict[str, Any] = dict.fromkeys(study.machines)
    for _, row in table[table["recommended"]].iterrows():
        found[row["machine"]] = {name: plain(row[name]) for name in names}
    return found


def price(study: Study, row: pd.Series) -> list[float | None]:
    """A row's time over the recommended one's: estimate, lower and upper bound."""
    ratio = study.prices[row.name]
    return [plain(value) for value in (ratio.value, ratio.low, ratio.high)]


def rates(study: Study) -> list[float] | None:
    """The smallest and the largest rate of the grid that reach the target with most seeds at the
    recommended batch size."""
    best = study.recommendation.best
    if best is None:
        return None
    window = rows_of(study.windows, best["variant"], best["batch_size"]).iloc[0]
    return [plain(window["lowest"]), plain(window["highest"])]


def band(study: Study) -> list[dict[str, Any]]:
    """Every target of the band: what would be recommended, and each batch size's probability of
    being the fastest."""
    return [
        {
            "target": float(target),
            "recommended": [plain(size) for size in rows.loc[rows["recommended"], "batch_size"]],
            "probability_fastest": {
                f"{row.variant} {row.batch_size}": round(float(row.probability_fastest), 4)
                for row in rows.itertuples()
                if row.probability_fastest > 0
            },
        }
        for target, rows in study.band.groupby("target", sort=False)
    ]


def metrics(study: Study) -> dict[str, Any]:
    """What `dvc exp show` compares."""
    best = chosen(study.recommendation.best) or {}
    names = ("batch_size", "lr", "seconds_to_target", "steps_to_target", "test_score")
    return {
        "target": study.measured.target,
        "recommended": {name: best.get(name) for name in names},
        "best_test_score": plain(study.tradeoff["test_score"].max()),
    }


def chosen(row: pd.Series | None) -> dict[str, Any] | None:
    """A row of the tradeoff table as plain numbers."""
    return None if row is None else numbers_of(row)


def numbers_of(row: pd.Series) -> dict[str, Any]:
    """The numbers of a row that a program asks for."""
    return {name: plain(row[name]) for name in CHOICE}


def plain(value: Any) -> Any:
    """A table's value as JSON has it: NaN is null."""
    if isinstance(value, str) or not pd.isna(value):
        return value.item() if isinstance(value, np.generic) else value
    return None
