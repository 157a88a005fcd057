"""A claim about batch size, and what it is tested on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.analysis.critical import Critical
from pipeline.analysis.statistics import Estimate
from pipeline.params import Settings

VERDICTS = ("supported", "refuted", "mixed", "not tested")
NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True)
class Evidence:
    """What the claims are tested on: the tables of a study, read for its first variant.

    curves: the confirmed trainings at the fastest rates; comparisons: ``generalisation.compare``;
    oscillation: ``noise.oscillation``; escapes: ``escape.escapes``; stability_limit:
    ``curvature.stability_limit`` of the variant's optimizer. settings, variants
    (``variants.compare``), criticals (one fit a row) and scores (evaluations at the end of the
    budget) know all variants of the study. An empty table was not measured.
    """

    variant: str
    throughput: pd.DataFrame
    tradeoff: pd.DataFrame
    critical: Critical | None
    windows: pd.DataFrame
    curves: pd.DataFrame
    examples: int
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    sharpness: pd.DataFrame = field(default_factory=pd.DataFrame)
    landscape: pd.DataFrame = field(default_factory=pd.DataFrame)
    noise: pd.DataFrame = field(default_factory=pd.DataFrame)
    oscillation: pd.DataFrame = field(default_factory=pd.DataFrame)
    escapes: pd.DataFrame = field(default_factory=pd.DataFrame)
    stability_limit: float | None = None
    settings: Mapping[str, Settings] = field(default_factory=dict)
    variants: pd.DataFrame = field(default_factory=pd.DataFrame)
    criticals: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)

    def own(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table's rows of the variant; none of an empty table."""
        return table if table.empty else table[table["variant"] == self.variant]


@dataclass(frozen=True)
class Claim:
    """One line of the ledger; ``finding`` is the answer in words, from the numbers."""

    id: str
    claim: str
    test: str
    effect: str
    estimate: Estimate
    verdict: str
    finding: str
    figure: str
    table: str

    def __post_init__(self) -> None:
        assert self.verdict in VERDICTS


def interval_verdict(effect: Estimate, above: float, below: float) -> str:
    """Supported where the interval lies above one bound, refuted where below the other."""
    if effect.low > above:
        return "supported"
    return "refuted" if effect.high < below else "mixed"


def share_verdict(holds: Iterable[bool]) -> str:
    """Supported where it holds in every case, refuted where in none; of at least one case."""
    cases = [bool(case) for case in holds]
    return "supported" if all(cases) else "mixed" if any(cases) else "refuted"
