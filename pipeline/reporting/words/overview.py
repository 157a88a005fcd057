"""The headline table in words, the study's facts, and what to know before believing them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import timings
from pipeline.analysis.frame import Frame
from pipeline.analysis.recommendation import allowed
from pipeline.analysis.study import Study
from pipeline.params.load import Params, flattened
from pipeline.params.network import Model
from pipeline.reporting.words import numbers
from pipeline.selection.keys import PACK, RATE, rows_of
from pipeline.selection.targets import WINDOW

CHANGED = 1.5
"""A step that takes so many times as long later, or so much less, is worth a word."""
MANY_NOISY = 0.25
LOADED = 0.25
"""More cores than this busy with other work make step times worth a warning."""


def summary(study: Study) -> pd.DataFrame:
    """The headline table in words, by variant: every number with its interval."""
    rows = [summary_row(study, row) for _, row in study.tradeoff.iterrows()]
    words = pd.DataFrame(rows)
    words = words.loc[:, ~(words == numbers.UNKNOWN).all()]
    return words if study.frame.has_variants else words.drop(columns="variant")


def summary_row(study: Study, row: pd.Series) -> dict[str, str]:
    """The line of the headline table for one row of the tradeoff."""
    price, score_name = study.prices.get(row.name), study.frame.score_name

    def pair(name: str, show: Callable[[float], str]) -> str:
        if pd.isna(row[name]):
            return numbers.UNKNOWN
        within = numbers.interval(row[f"{name}_low"], row[f"{name}_high"], show)
        return f"{show(row[name])} ({within})"

    is_known = not pd.isna(row["seeds"])
    reached = f"{row['reached']:.0f} of {row['seeds']:.0f}" if is_known else numbers.UNKNOWN
    parts = numbers.in_parts(row["micro_batches"])
    return {
        "variant": row["variant"],
        "batch size": numbers.batch_size(row["batch_size"], study.frame.examples),
        "learning rate": numbers.rate(row["lr"]) + (" (edge)" if row["at_edge"] is True else ""),
        "reached": reached,
        "steps to target": pair("steps_to_target", numbers.number),
        "time per step": numbers.seconds(row["seconds_per_step"]) + parts,
        "threads": numbers.number(row["threads"]),
        "time to target": pair("seconds_to_target", numbers.seconds),
        "price": numbers.UNKNOWN if price is None else numbers.times(price),
        "fastest with": chance(row["probability_fastest"]),
        "peak memory": numbers.size(row["peak_bytes"]),
        f"test {score_name}": pair("test_score", numbers.number),
        "train − test": pair("generalisation_gap", numbers.number),
    } | in_own_terms(row, study.is_imbalanced)


def chance(probability: float) -> str:
    """A probability as a person reads it."""
    if pd.isna(probability):
        return numbers.UNKNOWN
    return "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def in_own_terms(row: pd.Series, is_imbalanced: bool) -> dict[str, str]:
    """The test error in the target's unit, the perplexity of a text, or, of classes that differ in
    size, the accuracy that counts them alike."""
    if "test_rmse" in row:
        return {"test RMSE": numbers.number(row["test_rmse"])}
    if "test_perplexity" in row:
        return {"test perplexity": numbers.number(row["test_perplexity"])}
    if "test_balanced_accuracy" in row and is_imbalanced:
        return {"balanced accuracy": numbers.number(row["test_balanced_accuracy"])}
    return {}


def origin(study: Study) -> str:
    """Where the target comes from."""
    frame = study.frame
    if study.params.target.value != "auto":
        return f"The target, {frame.target}, was set (`target.value`)."
    of = f" of {frame.first}" if frame.has_variants else ""
    return (
        f"The target, {frame.target}, is what every batch size{of} reaches at its best rate: the "
        "best median over the screening seeds of the one whose training takes the fewest examples, "
        "or of one that does not get so far, eased by the standard error of a difference between "
        "two such scores, by seeds or by validation examples, whichever is larger. A score counts "
        f"as the mean of the evaluations within a factor {WINDOW:g} of the steps."
    )


def reading(study: Study) -> str:
    """What the columns of the headline table mean, and how far to trust them."""
    data = study.measured.data
    if study.is_outside:
        return reading_of_outside(study)
    tests = data["examples"]["test"]
    sampled = (
        f"; one of the {tests:,} test examples is {numbers.number(1 / tests)}"
        if data["task"] == "classification"
        else ""
    )
    return (
        "Steps to target: geometric mean over seeds with its 95 % interval, in which a seed that "
        "missed the target counts as one that needs more than its budget. Time to target: those "
        "steps times the time of a step of one training at a time, measured before and after the "
        "training, with one or all intra-op threads, whichever is faster; its interval holds for "
        "this machine from one hour to the next. Price: that time over the recommended one's, and "
        "how probable it is that the batch size is the fastest. Peak memory: of a step or an "
        f"evaluation, without the data. {in_tokens(data)}Test {study.frame.score_name} and "
        f"train − test: means over seeds at the end of the whole budget{sampled}; the score's "
        "interval holds for other seeds and other test examples."
    )


def in_tokens(data: Mapping[str, Any]) -> str:
    """What a batch of a text counts; nothing where there is no text."""
    if data["task"] != "language":
        return ""
    (context,) = data["shape"]
    return f"A batch counts windows of {context:,} tokens: 32 of them are {32 * context:,} tokens. "


def reading_of_outside(study: Study) -> str:
    """The same where another program trains."""
    score = "test_score" in study.tradeoff and study.tradeoff["test_score"].notna().any()
    return (
        "Steps to target: geometric mean over seeds with its 95 % interval, in which a seed that "
        "missed the target counts as one that needs more than its budget. Time to target: those "
        "steps times the time of a step. Price: that time over the recommended one's, and how "
        "probable it is that the batch size is the fastest."
        + (" Test score: as the program tells, mean and interval over seeds." if score else "")
    )


def facts(study: Study) -> dict[str, str]:
    """Data, model, protocol and machine, a line each."""
    params, measured = study.params, study.measured
    if study.is_outside:
        return outside_facts(study)
    machine = measured.throughput.iloc[0]
    return {
        "data": data_words(measured.data),
        "model": model_words(params.model),
        **variant_facts(params),
        "optimizer": f"{params.optimizer.name}, momentum {params.optimizer.momentum:g}, "
        f"weight decay {params.optimizer.weight_decay:g}, {params.schedule.name} schedule",
        "scaling": params.scaling,
        "budget": f"{params.budget.epochs} epochs, at least {params.budget.min_steps} steps",
        "cells": f"{len(measured.lanes)} screened, {len(measured.confirmed_lanes)} confirmed",
        "seeds": f"{params.grid.seeds} screening, {params.confirm.seeds} fresh{contested(study)}",
        "machine": f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['device']}, torch {machine['torch']}",
    }


def outside_facts(study: Study) -> dict[str, str]:
    """The same where another program trains."""
    params, measured = study.params, study.measured
    machine, told = measured.throughput.iloc[0], params.trainer
    confirmed = measured.confirmed_lanes
    examples = f", {told.train_examples:,} examples an epoch" if told.train_examples else ""
    known = not pd.isna(machine["seconds_per_step"])
    here = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB"
    timed = "seconds per step as the runs tell" if told.path else here
    return {
        "data": f"those of `{told.command or measured.data['file']}`{examples}",
        **variant_facts(params),
        "cells": f"{len(measured.lanes)} screened, {len(confirmed)} confirmed",
        "seeds": f"{params.grid.seeds} screening, {confirmed['seed'].nunique()} behind intervals",
        "machine": timed if known else "not known",
        "not measured": "what only this project's own trainings show: memory, sharpness, the "
        "landscape, the noise of gradients, learning-rate finders, branches",
    }


def contested(study: Study) -> str:
    """How many seeds batch sizes that were not told apart got in the end."""
    if study.measured.contest_lanes.empty:
        return ""
    most = study.measured.fresh_lanes.groupby(RATE)["seed"].nunique().max()
    return f", up to {most} where batch sizes were not told apart (`limits.indifference`)"


def model_words(model: Model) -> str:
    """The network in a line."""
    if model.name == "transformer":
        head = "tied" if model.tied else "untied"
        return (
            f"transformer, layers {model.layers}, width {model.width}, heads {model.heads}, "
            f"{model.positions} positions, {head} head"
        )
    if model.name == "cifar_resnet":
        return f"cifar_resnet, layers {model.layers}, width {model.width}"
    return f"{model.name} {list(model.hidden) or ''}".strip()


def data_words(data: Mapping[str, Any]) -> str:
    """The data in a line."""
    parts = ", ".join(f"{count:,} {name}" for name, count in data["examples"].items())
    shape = " × ".join(str(length) for length in data["shape"])
    task = data["task"] + (f" of {data['target']}" if data.get("target") else "")
    file = f" {data['file']}" if data.get("file") else ""
    md5 = f" (MD5 {data['md5']})" if data.get("md5") else ""
    inputs = f"windows of {shape} tokens" if data["task"] == "language" else f"inputs {shape}"
    return f"{data['source']}{file}{md5}, {task}, {inputs}; {parts}"


def variant_facts(params: Params) -> dict[str, str]:
    """What each variant lays over the other settings, where there are several."""
    names = params.grid.variant
    if len(names) == 1:
        return {}
    words = []
    for name in names:
        changes = flattened(params.variants[name] or {})
        settings = ", ".join(f"{key}={value}" for key, value in changes.items() if key)
        words.append(f"{name}: {settings or 'as below'}")
    return {"variants": "; ".join(words)}


def side_by_side(study: Study) -> str:
    """How well ratios of seconds are known where what slowed the machine slowed all alike."""
    if study.is_outside or len(study.tradeoff) < 2:
        return ""
    error = np.sqrt(2) * timings.ratio_error(study.measured.throughput, study.tradeoff).median()
    return (
        " The grid's batch sizes were timed side by side: the ratio of two has a standard error of "
        f"{100 * error:.0f} %."
    )


def on_the_passes(throughput: pd.DataFrame) -> list[str]:
    """How much longer steps took after the training than before it, where by CHANGED or more either
    way."""
    changes = throughput.loc[throughput["in_grid"], "later_over_earlier"].dropna()
    if not len(changes) or np.abs(np.log(changes)).max() < np.log(CHANGED):
        return []
    return [
        f"After the training a step took {numbers.interval(changes.min(), changes.max())} times as "
        "long as before it: the machine changed its pace. The intervals hold both, and are wide "
        "for it; `dvc repro -f throughput` measures both again."
    ]


def warnings(study: Study) -> list[str]:
    """What a careful reader must know before believing the headline."""
    throughput, table, frame = study.measured.throughput, study.tradeoff, study.frame
    words = [f"{word[0].upper()}{word[1:]}." for word in study.measured.data.get("warnings", [])]
    if not timings.passes_agree(throughput):
        words.append(
            "The seconds per step before and after the training contradict each other: other work "
            "must have kept the machine busy, and no batch size can be recommended by them. `dvc "
            "repro -f throughput` measures both again, best on a quiet machine."
        )
    else:
        words += on_the_passes(throughput)
    noisy, others = int(throughput["noisy"].sum()), throughput["other_cores"].iloc[0]
    if others > LOADED:
        words.append(
            f"Other work kept {numbers.number(others)} of {throughput['cores'].iloc[0]} cores busy "
            "while steps were timed: what is shown is the processor time of one thread, on cores "
            "that others shared, and how several threads would do is not known; `dvc repro -f "
            "throughput` measures again on a quiet machine."
        )
    elif noisy > MANY_NOISY * len(throughput):
        words.append(
            f"The machine was noisy while steps were timed: {noisy} of {len(throughput)} times "
            f"have quartiles more than 15 % apart.{side_by_side(study)} `dvc repro -f throughput` "
            "measures again."
        )
    edge = table[table["at_edge"].eq(True)]
    if len(edge):
        where = pack_words(edge, frame)
        words.append(f"The fastest rate lies at the edge of the grid for {where}.")
    trained = study.measured.lanes.set_index(PACK).index
    is_lost = ~table.set_index(PACK).index.isin(trained)
    lost = table[is_lost]
    if len(lost):
        words.append(f"Nothing was trained at {pack_words(lost, frame)}.")
    missed = table[table["steps_to_target"].isna() & ~is_lost]
    if len(missed) and len(missed) + len(lost) == len(table):
        words.append(
            "No batch size reached the target with most of its seeds: a longer budget "
            "(`budget.epochs`, `budget.min_steps`), other rates (`grid.lr`) or an easier target "
            "(`target.value`) would tell more."
        )
    elif len(missed):
        words.append(f"Most seeds missed the target at {pack_words(missed, frame)}.")
    words += on_the_target(study) + on_the_recommended(study)
    words += on_another_program(study) if study.is_outside else []
    words += out_of_time(study, missed)
    seeds = study.rates["seeds"].max()
    if seeds < 3 and not study.is_outside:
        count = f"{seeds} seed{'s' if seeds > 1 else ''}"
        words.append(f"Rates were chosen on {count}: expect luck in the choice.")
    return words


def on_the_target(study: Study) -> list[str]:
    """Where batch sizes with too few steps to get far have drawn it down."""
    low, frame = study.lowered, study.frame
    if low is None:
        return []
    metric = frame.score_name if study.params.target.metric == "val_score" else "loss"
    source, best = (numbers.batch_size(size, frame.examples) for size in (low.source, low.best))
    of = f" ({frame.first})" if frame.has_variants else ""
    tables = (study.of_first(study.measured.lanes), study.of_first(study.measured.fresh_lanes))
    screened, fresh = (table.groupby("batch_size")["steps"].max() for table in tables)
    advice = (
        "runs of large batches that last longer would tell"
        if study.params.trainer.name == "runs"
        else "train large batches for longer (`budget.min_steps`) or leave them out "
        "(`grid.batch_size`) to be told"
    )
    return [
        f"The target is low: batch size {source}{of} gets no further in its "
        f"{screened[low.source]:,} steps, while {best} comes to a validation {metric} of "
        f"{numbers.number(low.level)} in {fresh[low.best]:,}. Which one gets there fastest is "
        f"another question: {advice}."
    ]


def on_the_recommended(study: Study) -> list[str]:
    """Where the recommended batch size misses the target, and where it ends what was tried."""
    best, frame, words = study.recommendation.best, study.frame, []
    if best is None:
        return []
    rows = rows_of(study.tradeoff, best["variant"])
    missed = int(best["seeds"] - best["reached"])
    if missed:
        surer = allowed(rows[rows["seeds"] >= best["seeds"]], study.params.limits)
        surer = surer[surer["reached"] == surer["seeds"]]
        others = f"; all reach it at {pack_words(surer, frame)}" if len(surer) else ""
        words.append(
            f"{missed} of {best['seeds']:.0f} seeds {'misses' if missed == 1 else 'miss'} the "
            f"target with what is recommended{others}."
        )
    for end, place, other in (
        (rows["batch_size"].max(), "largest", "larger"),
        (rows["batch_size"].min(), "smallest", "smaller"),
    ):
        is_end = best["batch_size"] == end and 1 < end < (frame.examples or np.inf)
        is_bound = other == "larger" and study.params.limits.memory_gb is not None
        if is_end and not is_bound and rows["batch_size"].nunique() > 1:
            words.append(
                f"{end}{numbers.variant_of(best)} is the {place} batch size tried: a {other} one "
                "may be faster still."
            )
    return words


def on_another_program(study: Study) -> list[str]:
    """What its trainings cannot tell, or did not."""
    measured, words = study.measured, []
    told, confirmed = study.params.trainer, measured.confirmed_lanes
    asked = len(measured.selection[RATE].drop_duplicates()) * study.params.confirm.seeds
    lost = len(measured.failed) + (asked - len(confirmed) if told.command else 0)
    if lost:
        first = measured.failed.iloc[0] if len(measured.failed) else None
        why = "" if first is None else f"; the first: {first['reason']} ({first['log']})"
        words.append(f"{lost} calls of the program gave no training{why}.")
    if study.self_chosen:
        words.append(
            "Rates were chosen on the seeds that intervals come from, and whoever wins was also "
            "lucky: the target is reached later than said, the more rates the more so. Two more "
            "seeds at the best rates of each batch size would tell by how much."
        )
    seeds = confirmed.groupby(RATE)["seed"].nunique()
    if len(seeds) and seeds.max() < 2:
        words.append("One seed at each rate: no interval can be given.")
    if len(study.raced) and not told.command:
        words.append(
            f"{len(study.raced)} of {len(measured.lanes)} runs end before the longest of their "
            "batch size: what they would have reached is not known."
        )
    return words


def out_of_time(study: Study, missed: pd.DataFrame) -> list[str]:
    """Which of the batch sizes that missed the target were stopped for want of time, and how long a
    training of theirs takes at least."""
    is_bounded = study.params.limits.study_seconds is not None and len(study.raced)
    steps = study.raced.groupby(PACK)["steps"].max() if is_bounded else {}
    packs = [(row, (row["variant"], row["batch_size"])) for _, row in missed.iterrows()]
    stopped = [(row, steps[pack]) for row, pack in packs if pack in steps]
    if not stopped:
        return []
    least = [
        f"{row['batch_size']}{numbers.variant_of(row)} takes more than "
        f"{numbers.seconds(count * row['seconds_per_step'])} ({count:,} steps)"
        for row, count in stopped
    ]
    return [
        "Stopped before they reached the target, for want of time (`limits.study_seconds`): a "
        f"training with batch size {'; '.join(least)}. More time would tell how much more."
    ]


def pack_words(table: pd.DataFrame, frame: Frame) -> str:
    """The batch sizes of a table's rows, by variant where there are several."""
    words = []
    for variant in frame.variants:
        rows = rows_of(table, variant)
        if len(rows):
            sizes = ", ".join(numbers.batch_size(n, frame.examples) for n in rows["batch_size"])
            of_variant = f" ({variant})" if frame.has_variants else ""
            words.append(f"batch size {sizes}{of_variant}")
    return "; ".join(words)


def notes_on_race(study: Study) -> list[str]:
    """What was stopped, and what is not known for it."""
    if study.raced.empty or study.params.trainer.name == "runs":
        return []
    lanes, limit = study.measured.lanes, study.params.limits.study_seconds
    fresh = "are whole" if limit is None else "stop far beyond the target, not at equal budgets"
    return [
        f"{len(study.raced)} of {len(lanes)} screened trainings were stopped once another rate of "
        "their batch size had reached the target with most of its seeds and they could no longer "
        f"be the fastest (`grid.race`), or for want of time: {lanes['steps'].sum():,} steps were "
        "trained. Rates are tuned for the time to the target alone, and budgets that need whole "
        "trainings at all "
        f"rates are not compared; the fresh trainings {fresh}."
    ]


def notes_on_solutions(study: Study) -> list[str]:
    """What could not be measured of the solutions, and why."""
    if study.is_outside:
        return []  # the facts say what is not known of any
    notes = []
    if study.generalisation["batch_size"].nunique() < 2:
        notes.append(
            "One batch size alone has solutions: nothing to compare generalisation with, and no "
            "line to draw between solutions."
        )
    if study.rescaling.empty:
        notes.append(
            "Sharpness has no rescaling control: the network has no two layers with only ReLU, "
            "pooling or flattening between them."
        )
    if study.settings[study.frame.first].model.has_batch_norm:
        notes.append(
            "Sharpness and gradient noise are measured with batch norm's running statistics; on "
            "the lines between and around solutions they are taken anew from the training examples."
        )
    return notes
