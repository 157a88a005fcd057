"""What the report says: its figures, tables and sentences, before any markup."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import budgets, claims, recommendation, selection, tradeoff
from pipeline.analysis.claim import Evidence
from pipeline.analysis.recommendation import Recommendation
from pipeline.analysis.statistics import Estimate
from pipeline.analysis.targets import PACK
from pipeline.params import Params
from pipeline.reporting import advice, data, explore, overview, text, training
from pipeline.reporting.axes import Frame
from pipeline.reporting.heatmap import Heatmap, heatmaps
from pipeline.reporting.illustration import Illustration, Section
from pipeline.reporting.machine import MachineSpeed, machine_speed
from pipeline.reporting.measurements import Measurements
from pipeline.reporting.scaling import Scaling, scaling
from pipeline.reporting.solutions import Solutions, solutions
from pipeline.reporting.variants import Variants, variants


@dataclass(frozen=True)
class Content:
    """Everything that the page and the files below reports/ are made from.

    origin: where the target comes from; reading: what the summary's columns mean.
    """

    headline: str
    origin: str
    comparison: str
    sensitivity: str
    advice: Recommendation
    target: float
    claims: pd.DataFrame
    opening: Illustration
    sections: tuple[Section, ...]
    tables: Mapping[str, pd.DataFrame]
    summary: pd.DataFrame
    reading: str
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    explore: Mapping[str, Any]
    heatmaps: Mapping[str, tuple[Heatmap, ...]]

    @property
    def names(self) -> int:
        """How many columns of the summary name its rows."""
        return 2 if "variant" in self.summary else 1

    @property
    def illustrations(self) -> tuple[Illustration, ...]:
        """All figures in reading order."""
        return (self.opening, *chain(*(section.illustrations for section in self.sections)))


@dataclass(frozen=True)
class Analysis:
    """What the tables say, as far as several parts of the report need it.

    lead: the runner-up's time over the recommended one's; sensitivity: the recommendation under
    other targets; curve: the fastest rates' trainings; shares: the best scores under each budget.
    """

    frame: Frame
    rates: pd.DataFrame
    table: pd.DataFrame
    best: Recommendation
    lead: Estimate | None
    sensitivity: pd.DataFrame
    curve: pd.DataFrame
    shares: pd.DataFrame
    speed: MachineSpeed
    shape: Scaling
    solved: Solutions
    beside: Variants


def analyse(params: Params, found: Measurements) -> Analysis:
    """Everything that is reckoned from the tables, and the figures that come with it."""
    metric, target = params.target.metric, found.target
    frame = frame_of(params, found, target)
    screened = selection.by_rate(found.lanes, found.history, metric, target)
    confirmed = tradeoff.confirmed_steps(found.confirmed, found.confirmed_lanes, metric, target)
    table = tradeoff.table(
        found.selection,
        found.confirmed,
        found.confirmed_lanes,
        found.final_scores,
        found.throughput,
    )
    best = recommendation.recommend(table, params.limits)
    shape = scaling(screened, found.selection, confirmed, params.seed, frame)
    curve = fastest_curves(found)
    return Analysis(
        frame,
        with_winners(with_seconds(screened, table), found.selection),
        table,
        best,
        None
        if best.best is None or best.runner_up is None
        else recommendation.lead(confirmed, best.best, best.runner_up),
        advice.sensitivity(found, params, (target, best, shape.critical), frame),
        curve,
        budgets.compare(found.history),
        machine_speed(table, found.throughput, params, frame),
        shape,
        solutions(found, params, curve, shape.critical, best, frame),
        variants(screened, found, confirmed, frame),
    )


def evidence(params: Params, found: Measurements, own: Analysis) -> Evidence:
    """What the claims are tested on."""
    return Evidence(
        variant=own.frame.variants[0],
        throughput=found.throughput,
        tradeoff=own.table,
        critical=own.shape.critical,
        windows=own.shape.windows,
        curves=own.curve,
        examples=own.frame.examples,
        comparisons=own.solved.tables["generalisation"],
        sharpness=found.sharpness,
        landscape=found.landscape,
        noise=found.gradient_noise,
        oscillation=own.solved.tables["oscillation"],
        escapes=own.solved.tables["escapes"],
        stability_limit=own.solved.limit,
        settings={name: params.settings(name) for name in own.frame.variants},
        variants=own.beside.table,
        criticals=own.shape.tables["critical"],
        scores=found.final_scores,
    )


def opening(params: Params, own: Analysis) -> Illustration:
    """The figure of the first screen, with the recommended variant's critical batch size."""
    best, memory = own.best.best, params.limits.memory_gb
    fit = own.shape.critical if best is None else own.shape.fits.get(best["variant"])
    critical = None if fit is None else fit.curve.critical
    memory_bytes = None if memory is None else memory * 2**30
    return training.tradeoff(own.table, best, critical, memory_bytes, own.frame)


def sections(found: Measurements, own: Analysis) -> tuple[Section, ...]:
    """All other figures, by subject; a subject without figures is left out."""
    of_steps = (
        training.steps(own.table, own.shape.curves, own.frame),
        *own.shape.of_steps,
        training.curves(own.curve, own.table, own.frame),
        training.budgets(own.shares, own.frame),
    )
    of_rates = (*training.heatmaps(own.rates, own.frame), *own.shape.of_rates)
    solved = own.solved
    all_sections = (
        Section("target", "Steps to the target", of_steps),
        Section("learning-rates", "The learning rate", of_rates),
        Section("comparison", "Variants", own.beside.illustrations),
        Section("machine", "This machine", own.speed.illustrations),
        Section("solutions", "What the solutions are like", solved.illustrations, solved.missing),
        Section("examples", "The data", data.data(found)),
    )
    return tuple(section for section in all_sections if section.illustrations)


def tables(found: Measurements, own: Analysis) -> dict[str, pd.DataFrame]:
    """What lies below reports/tables."""
    return {
        "tradeoff": own.table,
        "rates": own.rates,
        "curves": own.curve,
        "budgets": own.shares,
        "sensitivity": own.sensitivity,
        **own.shape.tables,
        **own.speed.tables,
        **own.solved.tables,
        **({"variants": own.beside.table} if len(own.beside.table) else {}),
        **data.tables(found),
    }


def comparison(params: Params, own: Analysis) -> str:
    """The recommendation beside its neighbours, the best score and the rules of thumb."""
    return joined(
        advice.window_words(own.shape.windows, own.best),
        advice.neighbours_words(own.table, own.best, own.frame),
        advice.score_words(params, own.best, own.frame),
        advice.rivals_words(own.table, own.best, own.shape.fits, own.speed.bend, own.frame),
    )


def compile_content(params: Params, found: Measurements) -> Content:
    """Analyse the tables, draw the figures, find the words."""
    own = analyse(params, found)
    best, frame = own.best, own.frame
    devices = own.speed.tables["data_parallel"]
    return Content(
        headline=text.headline(
            best, own.lead, params.target.metric, found.target, found.data["task"]
        ),
        origin=overview.origin(params, frame),
        comparison=comparison(params, own),
        sensitivity=joined(
            advice.sensitivity_words(own.sensitivity),
            advice.limits_words(own.table, params, best, frame),
        ),
        advice=best,
        target=found.target,
        claims=claims.ledger(evidence(params, found, own)),
        opening=opening(params, own),
        sections=sections(found, own),
        tables=tables(found, own),
        summary=overview.summary(own.table, best.best, frame, data.is_imbalanced(found.classes)),
        reading=overview.reading(found, frame),
        facts=overview.facts(params, found),
        warnings=tuple(overview.warnings(own.table, own.rates, found.throughput, frame)),
        explore=explore.embedded(own.table, devices, params.limits, frame),
        heatmaps=heatmap_tables(own.rates, frame),
    )


def with_seconds(rates: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Every rate's steps to target as seconds of one training at a time."""
    cost = table[["variant", "batch_size", "seconds_per_step"]]
    timed = rates.merge(cost, on=["variant", "batch_size"], how="left", validate="many_to_one")
    return timed.assign(median_seconds=timed["median_steps"] * timed["seconds_per_step"]).drop(
        columns="seconds_per_step"
    )


def with_winners(rates: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """A column for each criterion, empty but for each batch size's winner: ``inside`` the grid of
    rates, or at its ``edge``."""
    key = [*PACK, "lr"]
    for criterion in selection.CRITERIA:
        own = chosen[chosen["criterion"] == criterion]
        marks = {criterion: np.where(own["at_edge"].astype(bool), "edge", "inside")}
        rates = rates.merge(own[key].assign(**marks), on=key, how="left", validate="one_to_one")
    return rates.fillna(dict.fromkeys(selection.CRITERIA, ""))


def heatmap_tables(rates: pd.DataFrame, frame: Frame) -> dict[str, tuple[Heatmap, ...]]:
    """The page's heatmaps by the name of the figure that each stands for."""
    return {
        "score_heatmap": heatmaps(rates, "median_score", "best_score", text.number, frame),
        "steps_heatmap": heatmaps(rates, "median_steps", "fastest", text.number, frame),
        "seconds_heatmap": heatmaps(rates, "median_seconds", "fastest", text.seconds, frame),
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
    key = [*PACK, "lr"]
    chosen = selection.main_rates(found.selection)
    return found.confirmed.merge(chosen, on=key)[[*key, "seed", "step", "epoch", *CURVES]]
