"""What the report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Measurements:
    """The tables that the stages left behind."""

    history: pd.DataFrame
    lanes: pd.DataFrame
    selection: pd.DataFrame
    confirmed: pd.DataFrame
    confirmed_lanes: pd.DataFrame
    evaluation: pd.DataFrame
    throughput: pd.DataFrame
    data: Mapping[str, Any]
