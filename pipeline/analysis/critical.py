"""The critical batch size: where steps to target stop falling in proportion to the batch size.

S(B) = S_min + E_min / B, with B_crit = E_min / S_min (McCandlish et al. 2018, equations 2.11 and
2.12): at B_crit both steps and examples are twice their least. Fitted to the logarithms of each
seed's steps by maximum likelihood; a seed that missed the target is censored at its budget.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from pipeline.selection.keys import RATE, rows_of
from pipeline.selection.statistics import LEVEL

Floats = npt.NDArray[np.float64]
RESAMPLES = 200
LEAST_SPREAD = 1e-4
REACH = np.log(1e3)
"""An interval's bound further than a factor 1000 beyond the batch sizes tried is none."""
PERFECT, FLAT = 0.2, 5.0
"""Below 0.2 B_crit examples are within 20 % of the least, above 5 B_crit steps are."""
OVERHEAD_HIGH, OVERHEAD_LOW = 0.5, 0.2


@dataclass(frozen=True)
class Runs:
    """One row per training: batch size, steps to target or the budget of one that missed it."""

    batch_size: Floats
    steps: Floats
    missed: npt.NDArray[np.bool_]
    seed: npt.NDArray[np.int64]

    def take(self, rows: npt.NDArray[np.int64]) -> "Runs":
        """These rows, any number of times each."""
        return Runs(self.batch_size[rows], self.steps[rows], self.missed[rows], self.seed[rows])


@dataclass(frozen=True)
class Curve:
    """A fitted S(B) = S_min (1 + (B_crit / B)^sharpness)^(1 / sharpness).

    sharpness 1 is the hyperbola, a larger one a sharper knee; spread is the standard deviation
    of log steps around the curve.
    """

    least_steps: float
    critical: float
    spread: float
    sharpness: float
    log_likelihood: float

    @property
    def least_examples(self) -> float:
        """E_min, the examples to target at small batch sizes."""
        return self.least_steps * self.critical

    def steps(self, batch_size: Floats) -> Floats:
        """The curve's steps to target."""
        log_ratio = self.sharpness * np.log(self.critical / batch_size)
        return np.asarray(self.least_steps * np.exp(np.logaddexp(0, log_ratio) / self.sharpness))


@dataclass(frozen=True)
class Critical:
    """The fit of one variant.

    low, high: profile-likelihood interval of B_crit; resampled_low, resampled_high: bootstrap
    over seeds; both 95 %, infinite or 0 where the data set no bound. identified: whether the
    batch sizes bracket it. sharper: the family with a free knee, and the probability that the
    hyperbola would fit this much worse by chance (likelihood-ratio test, 1 degree of freedom).
    """

    curve: Curve
    low: float
    high: float
    resampled_low: float
    resampled_high: float
    identified: str
    sharper: Curve
    probability: float
    n: int
    missed: int


def log_likelihood(runs: Runs, least: float, critical: float, spread: float, sharp: float) -> float:
    """Of normal log steps around the curve; arguments are logarithms but for ``runs``."""
    sharpness, sd = np.exp(sharp), np.exp(spread)
    log_ratio = sharpness * (critical - np.log(runs.batch_size))
    center = least + np.logaddexp(0, log_ratio) / sharpness
    z = (np.log(runs.steps) - center) / sd
    hits = z[~runs.missed]
    reached = -0.5 * (hits @ hits) - len(hits) * (spread + 0.5 * np.log(2 * np.pi))
    return float(reached + special.log_ndtr(-z[runs.missed]).sum())


def maximise(
    objective: Callable[[Floats], float], starts: list[list[float]]
) -> tuple[Floats, float]:
    """The best of several Nelder-Mead searches: (argument, value)."""
    options = {"xatol": 1e-5, "fatol": 1e-7, "maxiter": 2000}
    searches = [
        optimize.minimize(lambda v: -objective(v), start, method="Nelder-Mead", options=options)
        for start in starts
    ]
    best = min(searches, key=lambda result: float(result.fun))
    return np.asarray(best.x), -float(best.fun)


def bounded(runs: Runs, values: Floats, critical: float | None = None) -> float:
    """The log likelihood of (S_min, [B_crit,] spread[, sharpness]); the spread stays positive."""
    values = np.insert(values, 1, critical) if critical is not None else values
    spread = max(values[2], np.log(LEAST_SPREAD))
    sharp = float(np.clip(values[3], -1.5, 4)) if len(values) > 3 else 0.0
    return log_likelihood(runs, values[0], values[1], spread, sharp)


def starts_for(runs: Runs) -> list[list[float]]:
    """Knees at the lower, middle and upper batch sizes."""
    logs = np.log(runs.batch_size)
    least = np.log(runs.steps.min())
    return [[least, knee, np.log(0.2)] for knee in np.quantile(logs, [0.1, 0.5, 0.9])]


def curve(values: Floats, likelihood: float) -> Curve:
    """The curve of a maximiser's argument."""
    sharp = float(np.clip(values[3], -1.5, 4)) if len(values) > 3 else 0.0
    spread = max(float(np.exp(values[2])), LEAST_SPREAD)
    least, critical, sharpness = (float(np.exp(v)) for v in (values[0], values[1], sharp))
    return Curve(least, critical, spread, sharpness, likelihood)


def fit(runs: Runs, seed: int | None) -> Critical | None:
    """Fit both families; None for fewer than three batch sizes that reached the target.

    Without a seed nothing is resampled, and that interval is NaN.
    """
    if len(set(runs.batch_size[~runs.missed])) < 3:
        return None
    best, likelihood = maximise(lambda v: bounded(runs, v), starts_for(runs))
    sharper = maximise(lambda v: bounded(runs, v), [[*best, 0.0], [*best, 1.0]])
    plain, knee = curve(best, likelihood), curve(*sharper)
    low, high = profile(runs, best, likelihood)
    resampled = (np.nan, np.nan) if seed is None else bootstrap(runs, best, seed)
    gain = max(0.0, 2 * (knee.log_likelihood - likelihood))
    return Critical(
        plain, low, high, *resampled, identified(plain, runs), knee,
        float(stats.chi2.sf(gain, 1)), len(runs.steps), int(runs.missed.sum()),
    )  # fmt: skip


def profile(runs: Runs, best: Floats, likelihood: float) -> tuple[float, float]:
    """The interval of B_crit that a likelihood-ratio test does not reject."""
    allowed = stats.chi2.ppf(LEVEL, 1) / 2
    others = [[best[0], best[2]]]

    def excess(critical: float) -> float:
        highest = maximise(lambda v: bounded(runs, v, critical), others)[1]
        return likelihood - highest - allowed

    logs = np.log(runs.batch_size)
    ends = (min(logs.min(), best[1]) - REACH, max(logs.max(), best[1]) + REACH)
    low, high = (
        float(np.exp(optimize.brentq(excess, best[1], end, xtol=1e-3))) if excess(end) > 0 else none
        for end, none in zip(ends, (0.0, np.inf), strict=True)
    )
    return low, high


def bootstrap(runs: Runs, best: Floats, seed: int) -> tuple[float, float]:
    """Percentiles of B_crit over resampled seeds; every batch size keeps the seeds drawn."""
    rng = np.random.default_rng(seed)
    seeds = np.unique(runs.seed)
    logs = []
    for _ in range(RESAMPLES):
        drawn = rng.choice(seeds, len(seeds))
        rows = np.concatenate([np.flatnonzero(runs.seed == number) for number in drawn])
        again = functools.partial(bounded, runs.take(rows))
        logs.append(maximise(again, [list(best)])[0][1])
    tail = (1 - LEVEL) / 2
    low, high = np.exp(np.quantile(logs, [tail, 1 - tail]))
    return float(low), float(high)


def identified(curve: Curve, runs: Runs) -> str:
    """``yes`` where a batch size spends over half too many examples and two less than a fifth;
    ``above`` or ``below`` the batch sizes tried where not."""
    sizes = np.unique(runs.batch_size[~runs.missed])
    overhead = sizes / curve.critical
    if not (overhead > OVERHEAD_HIGH).any():
        return "above"
    return "yes" if (overhead < OVERHEAD_LOW).sum() >= 2 else "below"


def regimes(curve: Curve, sizes: list[int]) -> dict[str, list[int]]:
    """The batch sizes of perfect scaling, of diminishing returns and of none."""
    edges = (PERFECT * curve.critical, FLAT * curve.critical)
    return {
        "perfect": [size for size in sizes if size <= edges[0]],
        "diminishing": [size for size in sizes if edges[0] < size <= edges[1]],
        "flat": [size for size in sizes if size > edges[1]],
    }


def lack_of_fit(runs: Runs, curve: Curve) -> float:
    """The probability that batch sizes would miss the curve this much if single seeds alone did.

    F test for lack of fit on the seeds that arrived (Draper & Smith, Applied Regression Analysis,
    2.1); NaN for fewer than three batch sizes, or one seed at each.
    """
    hit = ~runs.missed
    misses = pd.Series(np.log(runs.steps[hit] / curve.steps(runs.batch_size[hit])))
    groups = misses.groupby(runs.batch_size[hit])
    sizes, seeds = groups.ngroups, len(misses)
    if sizes < 3 or seeds == sizes:
        return float("nan")
    within = float((misses - groups.transform("mean")).pow(2).sum()) / (seeds - sizes)
    between = float((groups.size() * groups.mean() ** 2).sum()) / (sizes - 2)
    return float(stats.f.sf(between / within, sizes - 2, seeds - sizes)) if within > 0 else 1.0


def runs_of(confirmed: pd.DataFrame, selection: pd.DataFrame, variant: str) -> Runs:
    """The confirmed trainings of a variant's fastest rates; winners at a grid edge are left out.

    confirmed: one row per cell with steps_to_target (NaN: missed) and steps, those it took. A
    seed that diverged is censored at the budget, too: the most steps of its batch size.
    """
    fastest = rows_of(selection[selection["criterion"] == "fastest"], variant)
    inside = fastest.loc[~fastest["at_edge"].astype(bool), RATE]
    cells = confirmed.merge(inside, on=RATE).sort_values(["batch_size", "seed"])
    missed = cells["steps_to_target"].isna().to_numpy()
    budget = cells.groupby("batch_size")["steps"].transform("max")
    steps = cells["steps_to_target"].fillna(budget).to_numpy(float)
    return Runs(cells["batch_size"].to_numpy(float), steps, missed, cells["seed"].to_numpy())


def grows(confirmed: pd.DataFrame, variant: str) -> bool:
    """Whether any training saw more examples than its first batch size makes of its steps."""
    cells = rows_of(confirmed, variant)
    constant = cells["batch_size"] * cells["steps_to_target"]
    return bool((cells["examples_to_target"] > 1.001 * constant).any())


def table(fits: Mapping[str, Critical]) -> pd.DataFrame:
    """One row per variant that could be fitted."""
    rows = [
        {
            "variant": variant,
            "critical_batch_size": fit.curve.critical,
            "critical_batch_size_low": fit.low,
            "critical_batch_size_high": fit.high,
            "resampled_low": fit.resampled_low,
            "resampled_high": fit.resampled_high,
            "identified": fit.identified,
            "least_steps": fit.curve.least_steps,
            "least_examples": fit.curve.least_examples,
            "log_spread": fit.curve.spread,
            "knee_sharpness": fit.sharper.sharpness,
            "knee_probability": fit.probability,
            "trainings": fit.n,
            "missed": fit.missed,
        }
        for variant, fit in fits.items()
    ]
    return pd.DataFrame(rows)
