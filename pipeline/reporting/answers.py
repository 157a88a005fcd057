"""The answer for programs: recommendation.json, and the few numbers of metrics.json."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.study import Study

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
    "peak_bytes",
    "test_score",
    "test_score_low",
    "test_score_high",
    "seeds",
    "reached",
)


def recommendation(study: Study, headline: str) -> dict[str, Any]:
    """The recommended row of the tradeoff, the runner-up, or the reason why there is none."""
    advice = study.recommendation
    return {
        "headline": headline,
        "recommended": chosen(advice.best),
        "runner_up": chosen(advice.runner_up),
        "reason": advice.reason,
    }


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
    return None if row is None else {name: plain(row[name]) for name in CHOICE}


def plain(value: Any) -> Any:
    """A table's value as JSON has it: NaN is null."""
    if isinstance(value, str) or not pd.isna(value):
        return value.item() if isinstance(value, np.generic) else value
    return None
