"""What the report says: its figures, tables and sentences, before any markup."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import budgets, claims, recommendation, selection, tradeoff
from pipeline.analysis.claim import Evidence
from pipeline.analysis.recommendation import Recommendation
from pipeline.params import Params
from pipeline.reporting import advice, data, explore, figures, figures_scaling, text
from pipeline.reporting.figures import Frame
from pipeline.reporting.heatmap import Heatmap, heatmaps
from pipeline.reporting.illustration import Illustration
from pipeline.reporting.machine import machine_speed
from pipeline.reporting.measurements import Measurements
from pipeline.reporting.scaling import scaling
from pipeline.reporting.solutions import solutions
from pipeline.reporting.variants import variants


@dataclass(frozen=True)
class Content:
    """Everything that the page and the files below reports/ are made from."""

    headline: str
    comparison: str
    sensitivity: str
    advice: Recommendation
    target: float
    claims: pd.DataFrame
    illustrations: tuple[Illustration, ...]
    tables: Mapping[str, pd.DataFrame]
    summary: pd.DataFrame
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    explore: Mapping[str, Any]
    heatmaps: Mapping[str, tuple[Heatmap, ...]]


def compile_content(params: Params, found: Measurements) -> Content:
    """Analyse the tables and draw the figures."""
    metric, target = params.target.metric, float(found.selection["target"].iloc[0])
    frame = frame_of(params, found, target)
    rates = selection.by_rate(found.lanes, found.history, metric, target)
    table = tradeoff.table(
        found.selection,
        found.confirmed,
        found.confirmed_lanes,
        found.final_scores,
        found.throughput,
    )
    best = recommendation.recommend(table, params.limits)
    confirmed = tradeoff.confirmed_steps(found.confirmed, found.confirmed_lanes, metric, target)
    curve, shares = fastest_curves(found), budgets.compare(found.history)
    speed = machine_speed(table, found.throughput, params, frame)
    shape = scaling(rates, found.selection, confirmed, params.seed, frame)
    others = advice.sensitivity(found, params, (target, best, shape.critical), frame)
    solved = solutions(found, params, curve, shape.critical, best, frame)
    beside = variants(rates, found, confirmed, frame)
    timed = with_seconds(rates, table)
    evidence = Evidence(
        frame.variants[0], found.throughput, table, shape.critical, shape.windows, curve,
        frame.examples, solved.tables["generalisation"], found.sharpness, found.landscape,
        found.gradient_noise, solved.tables["oscillation"], solved.tables["escapes"], solved.limit,
        {name: params.settings(name) for name in frame.variants}, beside.table,
        shape.tables["critical"],
    )  # fmt: skip
    own_tables = {"tradeoff": table, "rates": timed, "curves": curve, "budgets": shares}
    memory = params.limits.memory_gb
    marks = (
        None if shape.critical is None else shape.critical.curve.critical,
        None if memory is None else memory * 2**30,
    )
    drawn = illustrations(table, shares, timed, curve, best, frame, marks)
    return Content(
        text.headline(best, metric, target, found.data["task"]),
        joined(
            advice.score_words(params, best, frame),
            advice.rivals_words(table, best, shape.critical, speed.bend, frame),
        ),
        joined(advice.sensitivity_words(others), advice.limits_words(table, params, best, frame)),
        best,
        target,
        claims.ledger(evidence),
        (
            *drawn,
            *beside.illustrations,
            *shape.illustrations[:-1],
            *speed.illustrations,
            *solved.illustrations,
            shape.illustrations[-1],
            *data.data(found),
        ),
        own_tables
        | {"sensitivity": others}
        | shape.tables
        | speed.tables
        | solved.tables
        | ({"variants": beside.table} if len(beside.table) else {})
        | data.tables(found),
        summary(table, best.best, frame, data.is_imbalanced(found.classes)),
        facts(params, found),
        (*warnings(table, rates, found.throughput, frame), *solved.missing),
        explore.embedded(table, speed.tables["data_parallel"], params.limits, frame),
        heatmap_tables(timed, frame),
    )


def with_seconds(rates: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Every rate's steps to target as seconds of one training at a time."""
    cost = table[["variant", "batch_size", "seconds_per_step"]]
    timed = rates.merge(cost, on=["variant", "batch_size"], how="left", validate="many_to_one")
    return timed.assign(median_seconds=timed["median_steps"] * timed["seconds_per_step"]).drop(
        columns="seconds_per_step"
    )


def with_scores(rates: pd.DataFrame) -> pd.DataFrame:
    """Every rate's best score, of a rate that no seed was lost at."""
    return rates.assign(score=rates["median_best"].where(rates["diverged"] == 0))


def heatmap_tables(rates: pd.DataFrame, frame: Frame) -> dict[str, tuple[Heatmap, ...]]:
    """The page's heatmaps by the name of the figure that each stands for."""
    scores = with_scores(rates)
    return {
        "score_heatmap": heatmaps(scores, "score", text.number, False, frame),
        "steps_heatmap": heatmaps(rates, "median_steps", text.number, True, frame),
        "seconds_heatmap": heatmaps(rates, "median_seconds", text.seconds, True, frame),
    }


def frame_of(params: Params, found: Measurements, target: float) -> Frame:
    """What all figures share."""
    task = found.data["task"]
    return Frame(
        found.data["examples"]["train"],
        text.SCORE_NAME[task],
        text.goal(params.target.metric, target, task),
        tuple(params.grid.variant),
    )


def joined(*sentences: str) -> str:
    """Those of the sentences that say something."""
    return " ".join(sentence for sentence in sentences if sentence)


CURVES = (
    "train_loss", "train_loss_sd", "val_loss", "val_score", "weight_norm", "largest_weight",
    "update_to_weight",
)  # fmt: skip


def fastest_curves(found: Measurements) -> pd.DataFrame:
    """The confirm seeds' curves of each pack's fastest rate (of its best rate if none reached)."""
    order = found.selection[found.selection["criterion"].isin(selection.CRITERIA)]
    order = order.sort_values("criterion", ascending=False)  # fastest before best_score
    chosen = order.drop_duplicates(["variant", "batch_size"])[["variant", "batch_size", "lr"]]
    columns = ["variant", "batch_size", "lr", "seed", "step", "epoch", *CURVES]
    return found.confirmed.merge(chosen, on=["variant", "batch_size", "lr"])[columns]


def illustrations(
    table: pd.DataFrame,
    shares: pd.DataFrame,
    rates: pd.DataFrame,
    curve: pd.DataFrame,
    advice: Recommendation,
    frame: Frame,
    marks: tuple[float | None, float | None],
) -> list[Illustration]:
    """All figures in reading order; marks: the critical batch size and the limit of memory in
    bytes, where there are any."""
    scores = with_scores(rates)
    return [
        Illustration(
            "tradeoff",
            "The tradeoff",
            tradeoff_caption(table, frame),
            figures.tradeoff(table, advice.best, frame, *marks),
            "tradeoff",
        ),
        Illustration(
            "steps",
            "Steps and examples to target",
            steps_caption(table, frame),
            figures.steps(table, frame),
            "tradeoff",
        ),
        Illustration(
            "budgets",
            "Three budgets, three answers",
            budgets_caption(shares, frame),
            figures_scaling.budgets(shares, frame),
            "budgets",
        ),
        Illustration(
            "score_heatmap",
            "Best validation score by batch size and learning rate",
            heatmap_caption(rates),
            figures.heatmap(scores, "score", f"validation {frame.score_name}", frame, False),
            "rates",
        ),
        Illustration(
            "steps_heatmap",
            "Steps to target by batch size and learning rate",
            reached_caption(rates, frame),
            figures.heatmap(rates, "median_steps", "steps to target", frame, True),
            "rates",
        ),
        Illustration(
            "seconds_heatmap",
            "Seconds to target by batch size and learning rate",
            "The steps above times the seconds that a step of the batch size takes alone.",
            figures.heatmap(rates, "median_seconds", "seconds to target", frame, True),
            "rates",
        ),
        Illustration(
            "curves",
            "Learning curves of the fastest rates",
            f"Medians over {curve['seed'].nunique()} fresh seeds, against steps and epochs.",
            figures.curves(curve, frame),
            "curves",
        ),
    ]


MANY_NOISY = 0.25
HOLLOW = "hollow points have none, because some of their seeds missed the target"


def tradeoff_caption(table: pd.DataFrame, frame: Frame) -> str:
    """Fastest against slowest batch size, and the spread of the test scores."""
    done = table[table["reached"] == table["seeds"]].sort_values("seconds_to_target")
    if done.empty:
        return "No batch size reached the target with every seed."
    first, last = done.iloc[0], done.iloc[-1]
    scores = table["test_score"].dropna()
    seeds = int(table["seeds"].max())
    return (
        "Of the batch sizes that reach the target with every seed the fastest is "
        f"{text.batch_size(first['batch_size'], frame.examples)} at "
        f"{text.seconds(first['seconds_to_target'])}, the slowest "
        f"{text.batch_size(last['batch_size'], frame.examples)} at "
        f"{text.seconds(last['seconds_to_target'])}; mean test {frame.score_name} lies between "
        f"{text.number(scores.min())} and {text.number(scores.max())}. "
        f"Bars: 95 % intervals over {seeds} fresh seeds"
        + ("." if table["seconds_to_target"].notna().sum() == len(done) else f"; {HOLLOW}.")
    )


def steps_caption(table: pd.DataFrame, frame: Frame) -> str:
    """How steps and examples change from the smallest to the largest batch size."""
    done = table.dropna(subset=["steps_to_target"])
    if len(done) < 2:
        return "Fewer than two batch sizes reached the target: nothing to compare."
    first, last = done.iloc[0], done.iloc[-1]
    grown = last["batch_size"] / first["batch_size"]
    fewer = first["steps_to_target"] / last["steps_to_target"]
    return (
        f"From batch size {text.batch_size(first['batch_size'], frame.examples)} to "
        f"{text.batch_size(last['batch_size'], frame.examples)} ({text.number(grown)}× larger) the "
        f"steps fall {text.number(fewer)}× and the examples grow {text.number(grown / fewer)}×."
    )


def budgets_caption(shares: pd.DataFrame, frame: Frame) -> str:
    """The best batch size under each budget."""
    first = shares[shares["variant"] == frame.variants[0]]
    said = []
    for name, own in first.groupby("budget", sort=False):
        best = own.loc[own["val_score"].idxmax()]
        counted = {
            "equal epochs": f" ({best['limit']:.3g})",
            "equal steps": f" ({best['limit']:.0f})",
        }.get(str(name), "")
        size = text.batch_size(best["batch_size"], frame.examples)
        said.append(f"{name}{counted}: {size} with {text.number(best['val_score'])}")
    return (
        f"Best validation {frame.score_name} by budget: {'; '.join(said)}. Each point is the best "
        f"rate's mean over {shares['seeds'].max()} screening seeds, with its 95 % interval."
        if said
        else "At every rate some seed diverged."
    )


def heatmap_caption(rates: pd.DataFrame) -> str:
    """How many cells diverged."""
    cells, lost = int(rates["seeds"].sum()), int(rates["diverged"].sum())
    seeds = int(rates["seeds"].max())
    return (
        f"Median over {seeds} seeds of the best validation score within the budget. {lost} of "
        f"{cells} cells diverged; ✕ counts them, and hatching marks where."
    )


def reached_caption(rates: pd.DataFrame, frame: Frame) -> str:
    """How many settings reached the target."""
    reached = int(np.isfinite(rates["median_steps"]).sum())
    return (
        f"{reached} of {len(rates)} settings reached {frame.target} in more than half of their "
        "seeds; a dash marks the others."
    )


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
    order = {variant: place for place, variant in enumerate(frame.variants)}
    table = table.sort_values("variant", key=lambda names: names.map(order), kind="stable")
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
        "optimizer": f"{params.optimizer.name}, momentum {params.optimizer.momentum:g}, "
        f"weight decay {params.optimizer.weight_decay:g}, {params.schedule.name} schedule",
        "scaling": params.scaling,
        "budget": f"{params.budget.epochs} epochs, at least {params.budget.min_steps} steps",
        "cells": f"{len(found.lanes)} screened, {len(found.confirmed_lanes)} confirmed",
        "seeds": seeds,
        "machine": f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}",
    }


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
            "spread widely over their blocks; `dvc repro -f throughput` measures again."
        )
    edge = table[table["at_edge"].eq(True)]
    if len(edge):
        said.append(f"The fastest rate lies at the edge of the grid for {pack_words(edge, frame)}.")
    missed = table[table["seconds_to_target"].isna()]
    if len(missed):
        said.append(f"Most seeds missed the target at {pack_words(missed, frame)}.")
    if rates["seeds"].max() < 3:
        said.append(
            f"Rates were chosen on {rates['seeds'].max()} seeds: expect luck in the choice."
        )
    return said
