"""Who trains before a race, and what the others are raced to."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict

import pandas as pd

from pipeline.forecast import Forecast, is_raced
from pipeline.params.load import Params
from pipeline.params.protocol import BatchSize
from pipeline.race import bar as bars
from pipeline.race.bar import Bar
from pipeline.selection.targets import Validation
from pipeline.training import budget

Tables = tuple[pd.DataFrame, pd.DataFrame]
Train = Callable[[BatchSize, Bar | None], Tables]
"""Trains all cells of a batch size, whole or raced to a bar, and writes the run; its lanes and
history."""


def may_take(params: Params, variant: str, made: Forecast) -> dict[str, int]:
    """The steps that the variant's batch sizes may train, where ``limits.study_seconds`` says."""
    if params.limits.study_seconds is None:
        return {}
    steps = made.steps_within(params.limits.study_seconds)
    return {str(size): count for (name, size), count in steps.items() if name == variant}


def bar(
    params: Params, variant: str, examples: int, validation: Validation, train: Train
) -> Bar | None:
    """Train the variant's pilot; what there is to race to, None where there is nothing.

    Of the first variant, which an automatic target comes from, the largest batch size too: it
    mostly gets least far.
    """
    target, sizes = params.target, params.grid.batch_size
    pilot = budget.cheapest(params.settings(variant).budget, examples, sizes)
    tables = train(pilot, None)
    found = bars.bar_of(*tables, target.metric, target.value, validation)
    sets_target = target.value == "auto" and variant == params.grid.variant[0]
    largest = max(sizes, key=lambda size: budget.resolve(size, examples))
    is_other = budget.resolve(largest, examples) != budget.resolve(pilot, examples)
    if found and sets_target and is_other:
        value = bars.lowered(found, *train(largest, found), validation)
        found = bars.bar_of(*tables, target.metric, value, validation)
    return found


def outcome(
    params: Params,
    variant: str,
    made: Forecast,
    race: Callable[[Mapping[str, int]], Bar | None],
) -> dict[str, object]:
    """What bar.json says, empty where there is no race; told on standard error.

    race: from how many steps each batch size may train, as text, to what there is to race to.
    """
    if not is_raced(params, made):
        rule = f"whole trainings take about {made.total:.0f} s"
        print(f"pilot {variant}: no race, {rule}", file=sys.stderr)
        return {}
    steps = may_take(params, variant, made)
    found = race(steps)
    print(f"pilot {variant}: {said(found)}", file=sys.stderr)
    return (asdict(found) if found else {}) | {"steps": steps}


def said(found: Bar | None) -> str:
    """What there is to race to, in a line."""
    if found is None:
        why = "most seeds of the pilot diverge, or fail, at every rate"
        return f"the other batch sizes train whole: {why}"
    name = found.metric.replace("_", " ")
    words = f"the other batch sizes are raced to a {name} of {found.value:.4g}, which batch size "
    if found.lr is None:
        return f"{words}{found.batch_size} does not reach"
    return f"{words}{found.batch_size} reaches fastest with learning rate {found.lr:g}"
