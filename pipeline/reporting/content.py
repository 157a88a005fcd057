"""What the report says: its figures, tables and sentences, before any markup."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd

from pipeline.analysis import budgets, claims, recommendation, selection, tradeoff
from pipeline.analysis.claim import Evidence
from pipeline.analysis.recommendation import Recommendation
from pipeline.params import Params
from pipeline.reporting import advice, data, explore, overview, text, training
from pipeline.reporting.axes import Frame
from pipeline.reporting.heatmap import Heatmap, heatmaps
from pipeline.reporting.illustration import Illustration, Section
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
    opening: Illustration
    sections: tuple[Section, ...]
    tables: Mapping[str, pd.DataFrame]
    summary: pd.DataFrame
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    explore: Mapping[str, Any]
    heatmaps: Mapping[str, tuple[Heatmap, ...]]

    @property
    def illustrations(self) -> tuple[Illustration, ...]:
        """All figures in reading order."""
        return (self.opening, *chain(*(section.illustrations for section in self.sections)))


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
    opening = training.tradeoff(
        table,
        best.best,
        None if shape.critical is None else shape.critical.curve.critical,
        None if memory is None else memory * 2**30,
        frame,
    )
    sections = (
        Section(
            "target",
            "Steps to the target",
            (
                training.steps(table, shape.curves, frame),
                *shape.of_steps,
                training.curves(curve, table, frame),
                training.budgets(shares, frame),
            ),
        ),
        Section(
            "learning-rates",
            "The learning rate",
            (*training.heatmaps(timed, frame), *shape.of_rates),
        ),
        Section("comparison", "Variants", beside.illustrations),
        Section("machine", "This machine", speed.illustrations),
        Section("solutions", "What the solutions are like", solved.illustrations, solved.missing),
        Section("examples", "The data", data.data(found)),
    )
    return Content(
        text.headline(best, metric, target, found.data["task"]),
        joined(
            advice.neighbours_words(table, best, frame),
            advice.score_words(params, best, frame),
            advice.rivals_words(table, best, shape.critical, speed.bend, frame),
        ),
        joined(advice.sensitivity_words(others), advice.limits_words(table, params, best, frame)),
        best,
        target,
        claims.ledger(evidence),
        opening,
        tuple(section for section in sections if section.illustrations),
        own_tables
        | {"sensitivity": others}
        | shape.tables
        | speed.tables
        | solved.tables
        | ({"variants": beside.table} if len(beside.table) else {})
        | data.tables(found),
        overview.summary(table, best.best, frame, data.is_imbalanced(found.classes)),
        overview.facts(params, found),
        tuple(overview.warnings(table, rates, found.throughput, frame)),
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


def heatmap_tables(rates: pd.DataFrame, frame: Frame) -> dict[str, tuple[Heatmap, ...]]:
    """The page's heatmaps by the name of the figure that each stands for."""
    return {
        "score_heatmap": heatmaps(rates, "median_score", text.number, False, frame),
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
