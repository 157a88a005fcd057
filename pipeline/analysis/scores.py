"""Test scores with the error of both samples that they rest on: the seeds and the test examples.

The seeds of a setting are all scored on the same examples, so that their errors are crossed, and
the mean of few seeds on few examples is known no better than the examples allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pipeline.selection.keys import CELL, CRITERIA, PACK, RATE, WHOLE, rows_of
from pipeline.selection.statistics import LEVEL, Estimate
from pipeline.selection.winners import main_rates

Floats = npt.NDArray[np.float64]
DIFFERENCES = (*PACK, "score_difference", "score_difference_low", "score_difference_high")


@dataclass(frozen=True)
class Mean:
    """The mean of a seeds x examples table, its standard error and its degrees of freedom."""

    value: float
    error: float
    freedom: float

    def half(self, comparisons: int = 1) -> float:
        """Half the width of its interval; of each of so many that hold together (Bonferroni)."""
        tail = (1 - LEVEL) / 2 / comparisons
        return float(stats.t.ppf(1 - tail, self.freedom)) * self.error


def crossed(values: Floats) -> Mean:
    """The mean over seeds and examples, both drawn at random (Satterthwaite 1946; Owen 2007).

    values: (seeds, examples). Of the two-way analysis of variance the error is (seeds + examples -
    residual) / n in mean squares, and no less than that of either alone.
    """
    seeds, examples = values.shape
    value = float(values.mean())
    by_seed, by_example = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    of_examples = seeds * float(((by_example - value) ** 2).sum()) / max(1, examples - 1)
    if seeds == 1:
        return Mean(value, np.sqrt(of_examples / examples), max(1, examples - 1))
    of_seeds = examples * float(((by_seed - value) ** 2).sum()) / (seeds - 1)
    residuals = values - by_seed - by_example + value
    residual = float((residuals**2).sum()) / ((seeds - 1) * max(1, examples - 1))
    total = max(of_seeds + of_examples - residual, of_seeds, of_examples)
    parts = of_seeds**2 / (seeds - 1) + of_examples**2 / max(1, examples - 1)
    parts += residual**2 / ((seeds - 1) * max(1, examples - 1))
    freedom = total**2 / parts if parts > 0 else seeds - 1
    return Mean(value, np.sqrt(total / (seeds * examples)), max(1.0, freedom))


def of_share(mean: Mean, examples: int) -> tuple[float, float]:
    """The interval of an accuracy, on the logit; where every outcome is the same, the exact one of
    so many examples (Clopper & Pearson 1934)."""
    share = mean.value
    if share in (0.0, 1.0):
        reach = ((1 - LEVEL) / 2) ** (1 / examples)
        return (reach, 1.0) if share else (0.0, 1 - reach)
    logit, half = np.log(share / (1 - share)), mean.half() / (share * (1 - share))
    low, high = (1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1))
    return float(low), float(high)


@dataclass(frozen=True)
class Outcomes:
    """What every solution made of every test example: 1 for a hit, or its squared error.

    cells: CELL of the rows of ``values`` (solutions, examples). variance: that of the test
    targets, of which R² is made; None for classification. is_told: a program told scores alone, one
    for each solution, as if there were a single example.
    """

    cells: pd.DataFrame
    values: Floats
    variance: float | None
    is_told: bool = False

    def of(self, rate: tuple[str, int, float]) -> pd.DataFrame:
        """The rows of one rate of a pack, by seed."""
        places = rows_of(self.cells, *rate)
        return pd.DataFrame(self.values[places.index], index=places["seed"].to_numpy())

    def errors(self, rate: tuple[str, int, float]) -> pd.DataFrame:
        """The rows of one rate as errors: 1 for a miss, or the squared error over the variance of
        the targets."""
        values = self.of(rate)
        return 1 - values if self.variance is None else values / self.variance

    def score(self, rate: tuple[str, int, float]) -> Estimate:
        """A rate's test score with its interval, on the logit of an accuracy and on the logarithm
        of an error; that of scores that were told over seeds alone."""
        table = self.of(rate).to_numpy()
        mean = crossed(table)
        if self.is_told:
            half = mean.half()
            return Estimate(mean.value, mean.value - half, mean.value + half, len(table))
        if self.variance is None:
            return Estimate(mean.value, *of_share(mean, table.shape[1]), len(table))
        error = mean.value / self.variance
        spread = np.exp(mean.half() / mean.value) if mean.value > 0 else 1.0
        return Estimate(1 - error, 1 - error * spread, 1 - error / spread, len(table))

    def difference(
        self, rate: tuple[str, int, float], reference: tuple[str, int, float], comparisons: int
    ) -> Estimate:
        """A rate's test score less a reference's, paired by seed and example; its interval holds
        together with those of ``comparisons`` - 1 others."""
        one, other = self.of(rate), self.of(reference)
        seeds = sorted(set(one.index) & set(other.index))
        if not seeds or rate == reference:
            value = 0.0 if rate == reference else np.nan
            return Estimate(value, value, value, len(seeds))
        mean = crossed((one.loc[seeds] - other.loc[seeds]).to_numpy())
        scale = 1.0 if self.variance is None else -1 / self.variance
        value, half = scale * mean.value, abs(scale) * mean.half(comparisons)
        return Estimate(value, value - half, value + half, len(seeds))


def outcomes_of(
    evaluation: pd.DataFrame, by_name: Mapping[str, npt.NDArray[np.float32]], budget: str = WHOLE
) -> Outcomes:
    """The outcomes of all packs at the end of a budget. by_name: by "variant-batch_size", for
    other budgets than the whole by "variant-batch_size-budget", the outcomes of a pack's solutions,
    ascending in rate and seed; without any, scores are all that is told."""
    end = "" if budget == WHOLE else f"-{budget}"
    final = evaluation[evaluation["budget"] == budget]
    if not by_name:
        told = final[CELL].reset_index(drop=True)
        return Outcomes(told, final[["test_score"]].to_numpy(float), None, is_told=True)
    parts = [
        (table[CELL].sort_values(["lr", "seed"]), by_name[f"{variant}-{size}{end}"])
        for (variant, size), table in final.groupby(PACK, sort=True)
    ]
    cells = pd.concat([table for table, _ in parts], ignore_index=True)
    values = np.concatenate([array for _, array in parts]).astype(float)
    variance = None
    if "test_rmse" in final:
        first = final.iloc[0]
        variance = float(first["test_loss"] / (1 - first["test_score"]))
    return Outcomes(cells, values, variance)


def differences(selection: pd.DataFrame, outcomes: Outcomes) -> pd.DataFrame:
    """Per pack, the test score at its main rate less the best one's, with intervals that hold
    together: whichever is best, it was also the luckiest, and is allowed for as one of many."""
    winners = selection.loc[selection["criterion"].isin(CRITERIA), RATE].drop_duplicates()
    there = winners.merge(outcomes.cells[RATE].drop_duplicates(), on=RATE)
    rates = list(there.itertuples(index=False, name=None))
    if not rates:
        return pd.DataFrame(columns=DIFFERENCES)
    reference = max(rates, key=lambda rate: outcomes.score(rate).value)
    rows = [
        dict(zip(PACK, rate[:2], strict=True))
        | outcomes.difference(rate, reference, max(1, len(rates) - 1)).columns("score_difference")
        for rate in main_rates(selection).itertuples(index=False, name=None)
        if rate in rates
    ]
    return pd.DataFrame(rows, columns=DIFFERENCES)
