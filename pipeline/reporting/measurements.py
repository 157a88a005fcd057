"""What the report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.budgets import WHOLE


@dataclass(frozen=True)
class Measurements:
    """The tables that the stages left behind."""

    history: pd.DataFrame
    lanes: pd.DataFrame
    selection: pd.DataFrame
    confirmed: pd.DataFrame
    confirmed_lanes: pd.DataFrame
    evaluation: pd.DataFrame
    sharpness: pd.DataFrame
    landscape: pd.DataFrame
    gradient_noise: pd.DataFrame
    throughput: pd.DataFrame
    data: Mapping[str, Any]
    features: pd.DataFrame
    classes: pd.DataFrame
    columns: pd.DataFrame

    @property
    def target(self) -> float:
        """The validation score or loss that counted as trained."""
        return float(self.selection["target"].iloc[0])

    @property
    def final_scores(self) -> pd.DataFrame:
        """The rows of ``evaluation`` at the end of the whole budget."""
        return self.evaluation[self.evaluation["budget"] == WHOLE]
