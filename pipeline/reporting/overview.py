"""The headline table in words, the study's facts, and what to know before believing them."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pipeline.params import Params
from pipeline.reporting import data, text
from pipeline.reporting.axes import Frame
from pipeline.reporting.measurements import Measurements

MANY_NOISY = 0.25


def summary(
    table: pd.DataFrame, best: pd.Series | None, frame: Frame, is_imbalanced: bool
) -> pd.DataFrame:
    """The headline table in words, by variant: every number with its interval and n."""

    def pair(row: pd.Series, name: str, show: Callable[[float], str]) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return (
            f"{show(row[name])} ({text.interval(low, high, show)})"
            if row[name] == row[name]
            else "–"
        )

    rows = []
    for _, row in table.iterrows():
        rows.append(
            {
                "variant": row["variant"],
                "batch size": text.batch_size(row["batch_size"], frame.examples),
                "learning rate": text.rate(row["lr"])
                + (" (edge)" if row["at_edge"] is True else ""),
                "reached": "–"
                if pd.isna(row["seeds"])
                else f"{row['reached']:.0f} of {row['seeds']:.0f}",
                "steps to target": pair(row, "steps_to_target", text.number),
                "time per step": text.seconds(row["seconds_per_step"])
                + text.in_parts(row["micro_batches"]),
                "time to target": pair(row, "seconds_to_target", text.seconds),
                "price": "–" if best is None else text.times(row, best),
                "peak memory": text.size(row["peak_bytes"]),
                f"test {frame.score_name}": pair(row, "test_score", text.number),
                "train − test": pair(row, "generalisation_gap", text.number),
            }
            | in_own_terms(row, is_imbalanced)
        )
    words = pd.DataFrame(rows)
    return words if len(frame.variants) > 1 else words.drop(columns="variant")


def origin(params: Params, frame: Frame) -> str:
    """Where the target comes from."""
    if params.target.value != "auto":
        return f"The target, {frame.target}, was set (`target.value`)."
    of = f" of {frame.variants[0]}" if len(frame.variants) > 1 else ""
    return (
        f"The target, {frame.target}, is what every batch size{of} reaches at its best rate: the "
        "worst of their best medians over the screening seeds, eased by one standard error."
    )


def reading(found: Measurements, frame: Frame) -> str:
    """What the columns of the headline table mean, and how far to trust them."""
    tests = found.data["examples"]["test"]
    sampled = (
        f"; one of the {tests:,} test examples is {text.number(1 / tests)}"
        if found.data["task"] == "classification"
        else ""
    )
    return (
        "Steps to target: geometric mean over seeds with its 95 % interval, or the plain median "
        "without one where a seed missed the target. Time to target: those steps times the time of "
        "a step of one training at a time, whose error is not in the interval. Price: that time "
        "over the recommended one's. Peak memory: of a step or an evaluation, without the data. "
        f"Test {frame.score_name} and train − test: means over seeds at the end of the whole "
        f"budget{sampled}, which the intervals leave out."
    )


def in_own_terms(row: pd.Series, is_imbalanced: bool) -> dict[str, str]:
    """The test error in the target's unit, or, of classes that differ in size, the accuracy that
    counts them alike."""
    if "test_rmse" in row:
        return {"test RMSE": text.number(row["test_rmse"])}
    if "test_balanced_accuracy" in row and is_imbalanced:
        return {"balanced accuracy": text.number(row["test_balanced_accuracy"])}
    return {}


def facts(params: Params, found: Measurements) -> dict[str, str]:
    """Data, model, protocol and machine, a line each."""
    machine = found.throughput.iloc[0]
    seeds = f"{params.grid.seeds} screening, {params.confirm.seeds} fresh"
    return {
        "data": data.words(found.data),
        "model": f"{params.model.name} {list(params.model.hidden) or ''}".strip(),
        **variant_facts(params),
        "optimizer": f"{params.optimizer.name}, momentum {params.optimizer.momentum:g}, "
        f"weight decay {params.optimizer.weight_decay:g}, {params.schedule.name} schedule",
        "scaling": params.scaling,
        "budget": f"{params.budget.epochs} epochs, at least {params.budget.min_steps} steps",
        "cells": f"{len(found.lanes)} screened, {len(found.confirmed_lanes)} confirmed",
        "seeds": seeds,
        "machine": f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}",
    }


def variant_facts(params: Params) -> dict[str, str]:
    """What each variant lays over the other settings, where there are several."""
    names = params.grid.variant
    said = [f"{name}: {flat(params.variants[name]) or 'as below'}" for name in names]
    return {"variants": "; ".join(said)} if len(names) > 1 else {}


def flat(settings: Mapping[str, Any], above: str = "") -> str:
    """Nested settings as key=value."""
    said = [
        flat(value, f"{above}{key}.") if isinstance(value, Mapping) else f"{above}{key}={value}"
        for key, value in settings.items()
    ]
    return ", ".join(said)


def pack_words(table: pd.DataFrame, frame: Frame) -> str:
    """The batch sizes of a table's rows, by variant where there are several."""
    said = []
    for variant in frame.variants:
        own = table.loc[table["variant"] == variant, "batch_size"]
        if len(own):
            sizes = ", ".join(text.batch_size(size, frame.examples) for size in own)
            of_variant = f" ({variant})" if len(frame.variants) > 1 else ""
            said.append(f"batch size {sizes}{of_variant}")
    return "; ".join(said)


def warnings(
    table: pd.DataFrame, rates: pd.DataFrame, throughput: pd.DataFrame, frame: Frame
) -> list[str]:
    """What a careful reader must know before believing the headline."""
    said = []
    noisy = int(throughput["noisy"].sum())
    if noisy > MANY_NOISY * len(throughput):
        said.append(
            f"The machine was noisy while steps were timed: {noisy} of {len(throughput)} times "
            "have quartiles more than 15 % apart; `dvc repro -f throughput` measures again."
        )
    edge = table[table["at_edge"].eq(True)]
    if len(edge):
        said.append(f"The fastest rate lies at the edge of the grid for {pack_words(edge, frame)}.")
    missed = table[table["seconds_to_target"].isna()]
    if len(missed) == len(table):
        said.append(
            "No batch size reached the target with most of its seeds: a longer budget "
            "(`budget.epochs`, `budget.min_steps`), other rates (`grid.lr`) or an easier target "
            "(`target.value`) would tell more."
        )
    elif len(missed):
        said.append(f"Most seeds missed the target at {pack_words(missed, frame)}.")
    if rates["seeds"].max() < 3:
        count = f"{rates['seeds'].max()} seed{'s' if rates['seeds'].max() > 1 else ''}"
        said.append(f"Rates were chosen on {count}: expect luck in the choice.")
    return said
