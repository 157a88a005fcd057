"""The critical batch size: where steps to target stop falling in proportion to the batch size.

First without a model: which batch sizes need more examples than the thriftiest. Then S(B) = S_min +
E_min / B, with B_crit = E_min / S_min (McCandlish et al. 2018, equations 2.11 and 2.12): at B_crit
both steps and examples are twice their least. It is fitted to the batch sizes' mean log steps, and
what they miss it by, beyond what their seeds explain, is an error of its own: no interval is
narrower than the curve is wrong. The knee between the two branches may be sharper than the
hyperbola's; the interval is averaged over its sharpness.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from pipeline.analysis import ranking
from pipeline.analysis import steps as steps_of
from pipeline.analysis.steps import Steps
from pipeline.selection.keys import PACK, rows_of
from pipeline.selection.statistics import LEVEL

Floats = npt.NDArray[np.float64]
REACH = np.log(1e3)
"""An interval's bound further than a factor 1000 beyond the batch sizes tried is none."""
POINTS = 800
KNEES = np.array([1.0, 1.5, 2.0, 3.0, 5.0])
HYPERBOLA = 0.8
"""What is believed of the hyperbola before the data; the sharper knees share the rest."""
LEAST_ERROR = 1e-3
"""No mean of log steps counts as known better than this."""
EXACT = 1e-12
"""A weighted sum of squares below this is rounding."""
OVERHEAD = 1.2
"""Examples within 20 % of the least scale perfectly (Zhang et al. 2024, arXiv:2410.21676)."""
FLAT = 5.0
"""Beyond 5 B_crit steps are within 20 % of their least."""
OVERHEAD_HIGH, OVERHEAD_LOW = 0.5, 0.2
DRAWS = 4000


@dataclass(frozen=True)
class Runs:
    """One row per training: batch size, steps to target or the budget of one that missed it."""

    batch_size: Floats
    steps: Floats
    missed: npt.NDArray[np.bool_]
    seed: npt.NDArray[np.int64]

    @property
    def means(self) -> Steps:
        """The mean steps of every batch size."""
        columns = {"batch_size": self.batch_size, "steps": self.steps, "missed": self.missed}
        return steps_of.estimate(pd.DataFrame(columns))


@dataclass(frozen=True)
class Curve:
    """S(B) = S_min (1 + (B_crit / B)^sharpness)^(1 / sharpness); sharpness 1 is the hyperbola."""

    least_steps: float
    critical: float
    sharpness: float = 1.0

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

    low, high: 95 % interval of B_crit, 0 or infinite where the data set no bound. identified:
    whether the batch sizes bracket it. within: the standard deviation of log steps over seeds;
    between: that of the batch sizes' means around the curve, beyond what seeds explain. knee: the
    curve of the likeliest sharpness, and ``knee_probability`` of all that are sharper than the
    hyperbola.
    """

    curve: Curve
    low: float
    high: float
    identified: str
    within: float
    between: float
    knee: Curve
    knee_probability: float
    n: int
    missed: int

    @property
    def is_bounded(self) -> bool:
        """Whether the data set the critical batch size a bound on both sides."""
        return self.low > 0 and np.isfinite(self.high)


@dataclass(frozen=True)
class Profile:
    """Weighted sums of squares over a grid of (log) critical batch sizes, for every knee.

    squares: (knees, grid); log_least: the best log S_min at each.
    """

    grid: Floats
    squares: Floats
    log_least: Floats

    def curve(self, knee: int) -> Curve:
        """The best curve of one knee."""
        place = int(self.squares[knee].argmin())
        least, critical = self.log_least[knee, place], self.grid[place]
        return Curve(float(np.exp(least)), float(np.exp(critical)), float(KNEES[knee]))


def profile(
    log_sizes: Floats, log_steps: Floats, variances: Floats, sharpness: Floats = KNEES
) -> Profile:
    """The sums of squares of log steps around the curves, weighted by their variances."""
    grid = np.linspace(log_sizes.min() - REACH, log_sizes.max() + REACH, POINTS)
    knees = sharpness[:, None, None]
    shapes = np.logaddexp(0, knees * (grid[:, None] - log_sizes)) / knees
    residuals = log_steps - shapes
    least = (residuals / variances).sum(-1) / (1 / variances).sum()
    squares = ((residuals - least[..., None]) ** 2 / variances).sum(-1)
    return Profile(grid, squares, least)


def between_variance(log_sizes: Floats, log_steps: Floats, variances: Floats) -> float:
    """The variance of the batch sizes' means around the hyperbola beyond ``variances``: what makes
    the weighted sum of squares as large as its degrees of freedom (Paule & Mandel 1982)."""

    def excess(between: float) -> float:
        squares = profile(log_sizes, log_steps, variances + between, KNEES[:1]).squares
        return float(squares.min()) - (len(log_sizes) - 2)

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 4
    return float(optimize.brentq(excess, 0.0, high, xtol=1e-6))


def fit(runs: Runs) -> Critical | None:
    """None for fewer than three batch sizes that reached the target.

    The interval holds the critical batch sizes that an F test on 1 and k - 2 degrees of freedom
    does not reject, k the number of batch sizes (k - 3 where a knee is fitted too), with its
    probability averaged over the knees by their likelihood. In 700 simulated studies of 9 batch
    sizes x 5 seeds with a spread of 0.27 over seeds and a misfit of 0, 0.12, 0.18, 0.25 it covers
    93.6, 92.9, 93.1, 94.3 %, of a knee of sharpness 2 96.0 %.
    """
    means = runs.means
    known = {size: mean for size, mean in means.by_batch_size.items() if np.isfinite(mean.value)}
    if len(known) < 3:
        return None
    sizes, count = np.array(sorted(known), dtype=float), len(known)
    log_sizes = np.log(sizes)
    log_steps = np.log([known[size].value for size in sizes])
    reach = 2 * stats.t.ppf((1 + LEVEL) / 2, max(1, means.freedom))
    errors = [np.log(known[size].high / known[size].low) / reach for size in sizes]
    variances = np.maximum(np.nan_to_num(errors), LEAST_ERROR) ** 2
    between = between_variance(log_sizes, log_steps, variances)
    found = profile(log_sizes, log_steps, variances + between)
    least = np.maximum(found.squares.min(1, keepdims=True), EXACT)
    free = np.where(KNEES == 1, count - 2, max(1, count - 3))[:, None]  # a knee is fitted too
    ratios = (found.squares - least) / least * free
    prior = np.append(HYPERBOLA, np.full(len(KNEES) - 1, (1 - HYPERBOLA) / (len(KNEES) - 1)))
    weights = prior * (least[:, 0] / least.min()) ** (-(count - 2) / 2)
    weights /= weights.sum()
    inside = weights @ stats.f.sf(ratios, 1, free) >= 1 - LEVEL
    curve = found.curve(0)
    return Critical(
        curve,
        0.0 if inside[0] else float(np.exp(found.grid[inside].min())),
        np.inf if inside[-1] else float(np.exp(found.grid[inside].max())),
        identified(curve, sizes),
        means.spread,
        float(np.sqrt(between)),
        found.curve(int(weights.argmax())),
        float(weights[1:].sum()),
        len(runs.steps),
        int(runs.missed.sum()),
    )


def identified(curve: Curve, sizes: Floats) -> str:
    """``yes`` where a batch size spends over half too many examples and two less than a fifth;
    ``above`` or ``below`` the batch sizes tried where not."""
    overhead = sizes / curve.critical
    if not (overhead > OVERHEAD_HIGH).any():
        return "above"
    return "yes" if (overhead < OVERHEAD_LOW).sum() >= 2 else "below"


def overheads(means: Steps, seed: int) -> pd.DataFrame:
    """Without a model: per batch size the examples to target over those of the thriftiest batch
    size, with a 95 % interval, and whether they lie ``within`` OVERHEAD of it, ``beyond``, or are
    ``undecided``.

    By draws of all means at once, so that a batch size that was lucky to be the thriftiest does
    not make the others look worse than they are; ``beyond`` by multiple comparisons with the best.
    """
    known = {size: mean for size, mean in means.by_batch_size.items() if np.isfinite(mean.low)}
    sizes = sorted(known)
    columns = ["batch_size", "overhead", "overhead_low", "overhead_high", "scaling"]
    if not sizes:
        return pd.DataFrame(columns=columns)
    steps = np.log([[known[size].value, known[size].low, known[size].high] for size in sizes])
    rng = np.random.default_rng([seed, DRAWS])
    off = ranking.deviations(steps, means.freedom, rng, DRAWS)
    logs = (np.log(sizes) + steps[:, 0])[:, None] + off
    ratios = np.exp(logs - logs.min(0))
    tail = (1 - LEVEL) / 2
    low, middle, high = np.quantile(ratios, [tail, 0.5, 1 - tail], axis=1)
    shown = [ranking.is_slower(logs, place, np.log(OVERHEAD)) for place in range(len(sizes))]
    scaling = np.select([high <= OVERHEAD, shown], ["within", "beyond"], "undecided")
    return pd.DataFrame(dict(zip(columns, (sizes, middle, low, high, scaling), strict=True)))


def runs_of(counted: pd.DataFrame, selection: pd.DataFrame, variant: str) -> Runs:
    """The counted trainings of a variant; batch sizes whose winner lies at a grid edge are left
    out. counted: ``steps.counted``."""
    fastest = rows_of(selection[selection["criterion"] == "fastest"], variant)
    inside = fastest.loc[~fastest["at_edge"].astype(bool), PACK]
    cells = counted.merge(inside, on=PACK).sort_values(["batch_size", "seed"])
    return Runs(
        cells["batch_size"].to_numpy(float),
        cells["steps"].to_numpy(float),
        cells["missed"].to_numpy(bool),
        cells["seed"].to_numpy(),
    )


def grows(counted: pd.DataFrame, variant: str) -> bool:
    """Whether any training saw more examples than its first batch size makes of its steps."""
    cells = rows_of(counted, variant)
    constant = cells["batch_size"] * cells["steps"]
    return bool((cells["examples_to_target"] > steps_of.GROWN * constant).any())


def table(fits: Mapping[str, Critical]) -> pd.DataFrame:
    """One row per variant that could be fitted."""
    rows = [
        {
            "variant": variant,
            "critical_batch_size": fit.curve.critical,
            "critical_batch_size_low": fit.low,
            "critical_batch_size_high": fit.high,
            "identified": fit.identified,
            "least_steps": fit.curve.least_steps,
            "least_examples": fit.curve.least_examples,
            "log_spread_within": fit.within,
            "log_spread_between": fit.between,
            "knee_sharpness": fit.knee.sharpness,
            "knee_probability": fit.knee_probability,
            "trainings": fit.n,
            "missed": fit.missed,
        }
        for variant, fit in fits.items()
    ]
    return pd.DataFrame(rows)
