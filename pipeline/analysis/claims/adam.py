"""Claims about what of Adam has to move with the batch size beside the rate."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import sweep, variants
from pipeline.analysis.claims.claim import Outcome, Region, claim, exponent_words, judged, untested
from pipeline.analysis.claims.variants import FEWER, no_variants, ratio_words
from pipeline.analysis.study import Study
from pipeline.params.optimizer import ADAMS
from pipeline.selection import statistics
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import Estimate

GOOD = 1.25
AS_GOOD = Region(0, GOOD, step=0.5, is_ratio=True)
GROWS = Region(0, np.inf, step=0.5)
THE_SAME = Region(1 / GOOD, GOOD, step=0.5, is_ratio=True)


@claim(
    "beta2-half-life",
    "Adam's beta2 must move with the batch size",
    test="Steps to target with a beta2 that forgets after the same number of examples over those "
    "with one beta2 for all batch sizes, paired by seed, over the batch sizes beyond the one at "
    "which both are the same, below 1",
    effect="ratio of steps to target",
    figure="variants",
    table="variants",
)
def beta2_half_life(study: Study) -> Outcome:
    """A half-life in examples against one in steps (Marek et al. 2025)."""
    return moved_against_fixed(study, "beta2_batch_size")


@claim(
    "decay-timescale",
    "AdamW's weight decay must move with the batch size",
    test="Steps to target with a decay that averages the weights over the same number of examples "
    "over those with one decay for all batch sizes, paired by seed, over the batch sizes beyond "
    "the one at which both are the same, below 1",
    effect="ratio of steps to target",
    figure="variants",
    table="variants",
)
def decay_timescale(study: Study) -> Outcome:
    """A timescale in examples against one in steps (Wang & Aitchison 2024)."""
    return moved_against_fixed(study, "decay_batch_size")


@claim(
    "best-decay-grows",
    "The best weight decay grows with the batch size",
    test="Power of the batch size by which the curve of the validation loss at the end over the "
    "decay moves, one curve for all batch sizes, each decay at its own best rate, above 0",
    effect="power of the batch size",
    figure="sweeps",
    table="sweeps",
)
def best_decay_grows(study: Study) -> Outcome:
    """One decay for all batch sizes against one that grows (Wang & Aitchison 2024)."""
    shifts = study.sweep_shifts.get("weight_decay")
    if shifts is None:
        return no_variants("weight_decay")
    by_loss, by_steps = (shifts[name].power for name in (sweep.LOSS, sweep.STEPS))
    if not np.isfinite(by_loss.value):
        return untested("The loss hardly changes with the decay, or at too few batch sizes.")
    words = f"What it does to the validation loss at the end moves as B^{exponent_words(by_loss)}"
    if np.isfinite(by_steps.value):
        words += f", and to the steps as B^{exponent_words(by_steps)}"
    return judged(by_loss, GROWS, "batch sizes", f"{words}.")


def moved_against_fixed(study: Study, key: str) -> Outcome:
    """Whether a value that moves with the batch size takes fewer steps than one that does not, at
    the batch sizes beyond the one that ``key`` names."""
    pairs = [
        (fixed, moving)
        for fixed, moving in variants.pairs(study.settings, "optimizer")
        if moves_alone(study, fixed, moving, key)
    ]
    if not pairs:
        return no_variants("large_batch")
    fixed, moving = pairs[0]
    table = study.variants[study.variants["reference"] == fixed]
    base = getattr(study.settings[moving].optimizer, key)
    beyond = rows_of(table[table["batch_size"] > base], moving).dropna(subset=["steps_ratio"])
    ratio = statistics.geometric_mean(beyond["steps_ratio"].tolist())
    if ratio.n < 2:
        return untested("At fewer than two larger batch sizes seeds of both arrive.", ratio)
    by_size = ", ".join(f"{row.steps_ratio:.2f} at {row.batch_size}" for row in beyond.itertuples())
    finding = f"{moving} takes {by_size} times the steps of {fixed}; together {ratio_words(ratio)}."
    return judged(ratio, FEWER, "batch sizes", finding)


def moves_alone(study: Study, fixed: str, moving: str, key: str) -> bool:
    """Whether all that differs is that one value of the second moves with the batch size."""
    still, moves = (study.settings[name].optimizer for name in (fixed, moving))
    unmoved: dict[str, Any] = {key: None}
    return getattr(moves, key) is not None and replace(moves, **unmoved) == still


@claim(
    "adam-sqrt-optimal",
    "Adam's square-root rule gives a rate as good as the best",
    test="Steps to target with rates, betas and epsilon by the rule over those with a tuned rate, "
    f"paired by seed, over the batch sizes but the rule's own, at most {GOOD:g}",
    effect="ratio of steps to target",
    figure="variants",
    table="variants",
)
def adam_sqrt_optimal(study: Study) -> Outcome:
    """The square-root rule as advice (Malladi et al. 2022, section 5)."""
    ruled = by_square_root(study)
    tuned = [name for name, setting in study.settings.items() if is_plain_adam(study, name, ruled)]
    if ruled is None or not tuned:
        return no_variants("large_batch")
    base = study.settings[ruled].optimizer.noise_batch_size
    table = study.variants[study.variants["reference"] == tuned[0]]
    rows = rows_of(table[table["batch_size"] != base], ruled)
    lost = rows[(rows["arrived"] == 0) & (rows["reference_arrived"] > 0)]
    there = rows.dropna(subset=["steps_ratio"])
    ratio = statistics.geometric_mean(there["steps_ratio"].tolist())
    by_size = [f"{row.steps_ratio:.2f} at {row.batch_size}" for row in there.itertuples()]
    by_size += [f"no arrival at {size}" for size in lost["batch_size"]]
    finding = (
        f"Scaled from batch size {base}, {ruled} takes {', '.join(by_size)} times the steps of "
        f"{tuned[0]}."
    )
    if len(lost):
        return Outcome("refuted", ratio, finding, region=AS_GOOD)
    if ratio.n < 2:
        return untested("At fewer than two other batch sizes seeds of both arrive.", ratio)
    return judged(ratio, AS_GOOD, "batch sizes", finding)


@claim(
    "adam-sqrt-equivalent",
    "Adam's square-root rule trains alike at every batch size",
    test="Examples to target with rates, betas and epsilon by the rule over those at the rule's "
    f"own batch size, paired by seed, within {1 / GOOD:g} and {GOOD:g} at every batch size",
    effect="ratio of examples to target, where its interval reaches farthest from 1",
    figure="variants",
    table="tradeoff",
)
def adam_sqrt_equivalent(study: Study) -> Outcome:
    """The square-root rule as a statement about the path (Malladi et al. 2022, theorem 5.3): the
    same examples, the same progress."""
    ruled = by_square_root(study)
    if ruled is None:
        return no_variants("large_batch")
    base = study.settings[ruled].optimizer.noise_batch_size
    ratios = examples_against(rows_of(study.counted, ruled), int(base or 0))
    if not ratios:
        return untested("At no other batch size two seeds reach the target.")
    by_size = [
        f"{ratio.value:.2f} at {size} ({ratio.low:.2f} to {ratio.high:.2f})"
        for size, ratio in ratios.items()
    ]
    finding = f"Against batch size {base}, {ruled} needs {', '.join(by_size)} times the examples."
    outside = [ratio for ratio in ratios.values() if THE_SAME.verdict(ratio) == "refuted"]
    farthest = max(outside or ratios.values(), key=reach)
    return judged(farthest, THE_SAME, "seeds", finding)


def reach(ratio: Estimate) -> float:
    """How far from 1 a ratio may lie, in logarithms."""
    return max(abs(np.log(ratio.low)), abs(np.log(ratio.high)))


def by_square_root(study: Study) -> str | None:
    """The first variant whose rates, betas and epsilon move by the square-root rule."""
    return next(
        (
            name
            for name, setting in study.settings.items()
            if setting.optimizer.noise_batch_size is not None
            and setting.schedule.batch_rule == "sqrt"
            and setting.schedule.base_batch_size == setting.optimizer.noise_batch_size
        ),
        None,
    )


def is_plain_adam(study: Study, name: str, ruled: str | None) -> bool:
    """Whether a variant is what another one by the rule is without it, its rates tuned."""
    if ruled is None or study.settings[name].optimizer.name not in ADAMS:
        return False
    setting, other = study.settings[name], study.settings[ruled]
    unruled = replace(
        other,
        lr=setting.lr,
        optimizer=replace(other.optimizer, noise_batch_size=None),
        schedule=replace(
            other.schedule,
            batch_rule="none",
            base_batch_size=setting.schedule.base_batch_size,
        ),
    )
    return setting == unruled


def examples_against(counted: pd.DataFrame, base: int) -> dict[int, Estimate]:
    """Examples to target of each batch size over those of ``base``, geometric mean over the seeds
    that arrived at both; batch sizes with two such seeds."""
    arrived = counted[~counted["missed"]]
    examples = arrived.assign(examples=arrived["steps"] * arrived["batch_size"])
    by_seed = examples.pivot_table(index="seed", columns="batch_size", values="examples")
    if base not in by_seed:
        return {}
    ratios = {
        int(size): statistics.geometric_mean((by_seed[size] / by_seed[base]).dropna().tolist())
        for size in by_seed.columns
        if size != base
    }
    return {size: ratio for size, ratio in ratios.items() if ratio.n >= 2}
