"""Variants beside each other at every batch size, paired by seed."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd

from pipeline.params.settings import Settings
from pipeline.selection import statistics
from pipeline.selection.keys import PACK, RATE, rows_of
from pipeline.selection.statistics import Estimate
from pipeline.selection.winners import rates_of


def screening(rates: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, batch size): what became of its grid of rates.

    diverged_share: of all screened trainings; usable_rates: rates that reach the target with most
    seeds; largest_rate: the largest at which no seed diverges, NaN where there is none.
    """
    rows = []
    for pack, grid_rates in rates.groupby(PACK, sort=True):
        stable = grid_rates.loc[grid_rates["diverged"] == 0, "lr"]
        usable = int(np.isfinite(grid_rates["median_steps"]).sum())
        rows.append(
            dict(zip(PACK, pack, strict=True))
            | {"diverged_share": grid_rates["diverged"].sum() / grid_rates["seeds"].sum()}
            | {"usable_rates": usable, "rates": len(grid_rates)}
            | {"largest_rate": stable.max() if len(stable) else np.nan}
        )
    return pd.DataFrame(rows)


def by_seed(table: pd.DataFrame, selection: pd.DataFrame, criterion: str, value: str) -> pd.Series:
    """A value at the rate that a criterion chose, by (variant, batch_size, seed)."""
    chosen = table.merge(rates_of(selection, criterion), on=RATE)
    return chosen.set_index([*PACK, "seed"])[value]


def compare(
    rates: pd.DataFrame, selection: pd.DataFrame, counted: pd.DataFrame, scores: pd.DataFrame
) -> pd.DataFrame:
    """One row per ordered pair of variants and batch size that both have.

    steps_ratio: steps to target over the reference's, geometric mean over the seeds of which both
    arrived; score_difference: test score less the reference's, mean over seeds. Both are paired by
    seed, each variant at its own best rate. arrived: seeds that reached the target. counted:
    ``steps.counted``; scores: evaluations at the end of the budget.
    """
    steps = counted.set_index([*PACK, "seed"])["steps"]
    steps = steps.where(~counted["missed"].to_numpy())
    tests = by_seed(scores, selection, "best_score", "test_score")
    screened = screening(rates).set_index(PACK)
    rows = []
    for reference, variant in permutations(dict.fromkeys(rates["variant"]), 2):
        for size in sorted(set(screened.loc[variant].index) & set(screened.loc[reference].index)):
            keys = ((variant, size), (reference, size))
            ratios = paired(steps, *keys, np.divide)
            differences = paired(tests, *keys, np.subtract)
            row = {"reference": reference, "variant": variant, "batch_size": size}
            row |= statistics.geometric_mean(ratios).columns("steps_ratio")
            row |= {"pairs": len(ratios)}
            row |= {"arrived": len(of_pack(steps, keys[0]))}
            row |= {"reference_arrived": len(of_pack(steps, keys[1]))}
            row |= statistics.mean(differences).columns("score_difference")
            rows.append(row | screened.loc[(variant, size)].to_dict())
    return pd.DataFrame(rows)


def of_pack(values: pd.Series, pack: tuple[str, int]) -> pd.Series:
    """A pack's values by seed, without those that are missing."""
    variants, sizes = (values.index.get_level_values(level) for level in (0, 1))
    return values[(variants == pack[0]) & (sizes == pack[1])].droplevel([0, 1]).dropna()


def paired(
    values: pd.Series, one: tuple[str, int], other: tuple[str, int], combine: np.ufunc
) -> list[float]:
    """The combination of two packs' values at every seed that both have."""
    left, right = of_pack(values, one), of_pack(values, other)
    seeds = sorted(set(left.index) & set(right.index))
    return [float(combine(left[seed], right[seed])) for seed in seeds]


def pairs(settings: Mapping[str, Settings], key: str) -> list[tuple[str, str]]:
    """Ordered pairs (reference, variant) that differ in one key alone, rates aside.

    key: ``scaling``, ``optimizer``, ``schedule``, or ``norm``, which stands for how the model is
    normalised.
    """

    def without(setting: Settings) -> Settings:
        if key == "norm":
            plain = replace(setting.model, norm="none", norm_layers="all", ghost_size=2)
            return replace(setting, lr=(), model=plain)
        return replace(setting, lr=(), **{key: getattr(Settings(), key)})

    return [
        (reference, variant)
        for reference, variant in permutations(settings, 2)
        if without(settings[reference]) == without(settings[variant])
    ]


def overall(table: pd.DataFrame, reference: str, variant: str, value: str) -> Estimate:
    """A ratio over all batch sizes: geometric mean with an interval over the sizes."""
    rows = rows_of(table[table["reference"] == reference], variant)
    return statistics.geometric_mean(rows[value].dropna().tolist())
