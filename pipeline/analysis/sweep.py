"""Which value of a setting is best at each batch size, where variants differ in it alone, and how
the best one moves with the batch size."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special

from pipeline.analysis import lines
from pipeline.params.settings import Settings
from pipeline.selection import censored, statistics
from pipeline.selection.keys import PACK
from pipeline.selection.statistics import UNKNOWN, Estimate

Floats = npt.NDArray[np.float64]

FEWEST = 3
"""Values, and batch sizes, that curves through them need."""
POWERS = (-1.0, 2.0)
KEYS = (
    ("optimizer", "weight_decay"),
    ("optimizer", "momentum"),
    ("optimizer", "beta1"),
    ("optimizer", "beta2"),
    ("schedule", "warmup_steps"),
)
SHARES = ("momentum", "beta1", "beta2")
"""Of these it is 1 - value that moves by a power of the batch size."""
STEPS, LOSS = "steps to target", "validation loss"
CRITERIA = (STEPS, LOSS)
COLUMNS = [*PACK, "seed", "criterion", "steps", "missed"]


@dataclass(frozen=True)
class Sweep:
    """Variants that differ in one number alone, rates aside.

    name: of the setting; values: by variant, above 0; of ``SHARES`` 1 - value.
    """

    name: str
    values: Mapping[str, float]

    @property
    def label(self) -> str:
        """What the values are, in words."""
        words = self.name.replace("_", " ")
        return f"1 - {words}" if self.name in SHARES else words


def sweeps(settings: Mapping[str, Settings]) -> list[Sweep]:
    """The settings of which at least FEWEST values above 0 stand beside each other, each by the
    first variant that has it; of several such groups of one setting the largest."""
    found = []
    for section, name in KEYS:
        groups: list[tuple[dict[str, Any], dict[str, float]]] = []
        for variant, setting in settings.items():
            rest = asdict(setting) | {"lr": ()}
            value = float(rest[section].pop(name))
            values = next((values for other, values in groups if other == rest), None)
            if values is None:
                groups.append((rest, values := {}))
            value = 1 - value if name in SHARES else value
            if value > 0 and value not in values.values():
                values[variant] = value
        above = [values for _, values in groups]
        largest = max(above, key=len, default={})
        if len(largest) >= FEWEST:
            found.append(Sweep(name, largest))
    return found


def outcomes(sweep: Sweep, counted: pd.DataFrame, lanes: pd.DataFrame) -> pd.DataFrame:
    """One row per (value, batch size, seed, criterion): what it comes to, as ``steps``, and whether
    that was missed.

    counted: ``steps.counted``; lanes: the cells of the fresh seeds.
    """
    parts = (counted.assign(criterion=STEPS), final_losses(lanes).assign(criterion=LOSS))
    table = pd.concat([part[COLUMNS] for part in parts], ignore_index=True)
    table = table[table["variant"].isin(sweep.values)]
    return table.assign(name=sweep.name, value=table["variant"].map(sweep.values))


def final_losses(lanes: pd.DataFrame) -> pd.DataFrame:
    """The validation loss at the end, as ``steps``, of each pack's seeds: each at the rate that the
    other seeds found best, for a seed that chose its own would flatter it. Rates at which a seed
    diverged are not chosen from; none of a pack without another."""
    parts = []
    for pack, cells in lanes.groupby(PACK, sort=True):
        logs = np.log(cells.pivot(index="seed", columns="lr", values="final_val_loss"))
        logs = logs.dropna(axis=1)
        for seed in logs.index if len(logs) > 1 and logs.size else ():
            best = logs.drop(index=seed).mean().idxmin()
            parts.append((*pack, seed, float(np.exp(logs.loc[seed, best])), False))
    return pd.DataFrame(parts, columns=[*PACK, "seed", "steps", "missed"])


def by_value(cells: pd.DataFrame) -> pd.DataFrame:
    """One row per (criterion, batch size, value) of ``outcomes``: the geometric mean over the seeds
    that did not miss, with its interval, and how many did not."""
    rows = []
    for key, part in cells.groupby(["name", "criterion", "batch_size", "value"], sort=True):
        known = part.loc[~part["missed"].astype(bool), "steps"]
        mean = statistics.geometric_mean(known.tolist())
        rows.append(
            dict(zip(("name", "criterion", "batch_size", "value"), key, strict=True))
            | mean.columns("outcome")
            | {"seeds": len(part), "counted": mean.n}
        )
    return pd.DataFrame(rows)


def best(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``by_value`` with each batch size's best value, of those that most seeds do not
    miss with."""
    reached = table[table["counted"] > table["seeds"] / 2]
    return reached.loc[reached.groupby("batch_size")["outcome"].idxmin()]


@dataclass(frozen=True)
class Shift:
    """How what the values come to moves along them with the batch size: as B^power.

    best: the logarithm of the best value at the batch size 1, by the same fit; NaN where the fit
    is best at an end of what was tried.
    """

    power: Estimate
    best: float

    def best_value(self, batch_size: Floats) -> Floats:
        """The best value at each batch size."""
        return np.asarray(np.exp(self.best + self.power.value * np.log(batch_size)))


def shift(cells: pd.DataFrame) -> Shift:
    """The shift of one criterion's ``outcomes``, those of a miss as censored.

    log outcome = a_B + p(log value - power log B) with one cubic p for all batch sizes: a best
    value need not lie inside those tried, nor the outcome change to both sides of it. The power is
    the likeliest between POWERS, its interval ``lines.jackknife``'s. UNKNOWN for fewer than FEWEST
    batch sizes of FEWEST values, and where it is an end of POWERS.
    """
    reached = cells.groupby("batch_size")["missed"].transform(lambda missed: ~missed.all())
    known = cells[reached.astype(bool)]
    counts = known.groupby("batch_size")["value"].nunique()
    known = known[known["batch_size"].isin(counts.index[counts >= FEWEST])]
    if known["batch_size"].nunique() < FEWEST:
        return Shift(UNKNOWN, np.nan)
    (power,) = lines.jackknife(known, lambda part: np.array([likeliest(part)]), free=2)
    if not np.isfinite(power.value):
        return Shift(UNKNOWN, np.nan)
    return Shift(power, lowest(known, power.value))


def likeliest(cells: pd.DataFrame) -> float:
    """The power with the largest likelihood; NaN at an end of POWERS."""
    tried = np.linspace(*POWERS, 31)
    step = tried[1] - tried[0]
    rough = tried[np.argmin([misfit(cells, power) for power in tried])]
    if rough in POWERS:
        return np.nan
    bounds = (rough - step, rough + step)
    found = optimize.minimize_scalar(
        lambda power: misfit(cells, power), bounds=bounds, method="bounded"
    )
    return float(found.x)


def aligned(cells: pd.DataFrame, power: float) -> tuple[Floats, Floats]:
    """The logarithms of the values less those of B^power, and the design of the curves."""
    sizes, place = np.unique(cells["batch_size"], return_inverse=True)
    away = np.log(cells["value"].to_numpy(float)) - power * np.log(sizes.astype(float))[place]
    return away, np.column_stack([np.eye(len(sizes))[place], away, away**2, away**3])


def misfit(cells: pd.DataFrame, power: float) -> float:
    """Minus the logarithm of the likelihood at a power, at its best curves."""
    _, design = aligned(cells, power)
    logs, missed = np.log(cells["steps"].to_numpy(float)), cells["missed"].to_numpy(bool)
    fit = censored.fit(design, logs, missed)
    arrived = int((~missed).sum())
    spread = fit.spread * np.sqrt(fit.freedom / arrived)
    z = (logs - design @ fit.coefficients) / spread
    hits = arrived * np.log(spread) + 0.5 * (z[~missed] ** 2).sum()
    return float(hits - special.log_ndtr(-z[missed]).sum())


def lowest(cells: pd.DataFrame, power: float) -> float:
    """Where the common curve is lowest; NaN at an end."""
    away, design = aligned(cells, power)
    logs, missed = np.log(cells["steps"].to_numpy(float)), cells["missed"].to_numpy(bool)
    shape = censored.fit(design, logs, missed).coefficients[-3:]
    places = np.linspace(away.min(), away.max(), 200)
    curve = np.column_stack([places, places**2, places**3]) @ shape
    best = int(curve.argmin())
    return float(places[best]) if 0 < best < len(places) - 1 else np.nan


def shifts(cells: pd.DataFrame) -> dict[str, Shift]:
    """``shift`` by criterion."""
    return {name: shift(cells[cells["criterion"] == name]) for name in CRITERIA}
