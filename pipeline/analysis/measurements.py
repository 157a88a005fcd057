"""What the report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.selection.keys import WHOLE


@dataclass(frozen=True)
class Measurements:
    """The tables that the stages left behind; an empty one was not measured.

    outcomes: by "variant-batch_size" what the solutions of ``final_scores`` make of every test
    example, (solutions, examples). data: the summary of the data. failed: screened cells of which
    another program gave no training. machines: the throughput of other machines, by name.
    """

    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    lanes: pd.DataFrame = field(default_factory=pd.DataFrame)
    selection: pd.DataFrame = field(default_factory=pd.DataFrame)
    confirmed: pd.DataFrame = field(default_factory=pd.DataFrame)
    confirmed_lanes: pd.DataFrame = field(default_factory=pd.DataFrame)
    contest: pd.DataFrame = field(default_factory=pd.DataFrame)
    contest_lanes: pd.DataFrame = field(default_factory=pd.DataFrame)
    evaluation: pd.DataFrame = field(default_factory=pd.DataFrame)
    outcomes: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    sharpness: pd.DataFrame = field(default_factory=pd.DataFrame)
    landscape: pd.DataFrame = field(default_factory=pd.DataFrame)
    gradient_noise: pd.DataFrame = field(default_factory=pd.DataFrame)
    throughput: pd.DataFrame = field(default_factory=pd.DataFrame)
    branches: pd.DataFrame = field(default_factory=pd.DataFrame)
    range_tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    alignment: pd.DataFrame = field(default_factory=pd.DataFrame)
    data_parallel: pd.DataFrame = field(default_factory=pd.DataFrame)
    data: Mapping[str, Any] = field(default_factory=dict)
    features: pd.DataFrame = field(default_factory=pd.DataFrame)
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    columns: pd.DataFrame = field(default_factory=pd.DataFrame)
    failed: pd.DataFrame = field(default_factory=pd.DataFrame)
    machines: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def target(self) -> float:
        """The validation score or loss that counted as trained."""
        return float(self.selection["target"].iloc[0])

    @property
    def fresh(self) -> pd.DataFrame:
        """The history of all trainings on fresh seeds."""
        return pd.concat([self.confirmed, self.contest], ignore_index=True)

    @property
    def fresh_lanes(self) -> pd.DataFrame:
        """Their cells."""
        return pd.concat([self.confirmed_lanes, self.contest_lanes], ignore_index=True)

    @property
    def final_scores(self) -> pd.DataFrame:
        """The rows of ``evaluation`` at the end of the whole budget."""
        return self.evaluation[self.evaluation["budget"] == WHOLE]
