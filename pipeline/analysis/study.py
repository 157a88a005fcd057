"""All that is computed from the tables of a study, each quantity once.

Claims, figures, words and the page read a ``Study``; nothing is fitted beside it. A quantity is a
property that is computed when it is first asked for and kept, so that this file reads as the list
of what is known, in the order of the report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import (
    answer,
    band,
    branches,
    contest,
    critical,
    curvature,
    data_parallel,
    descent,
    escape,
    finders,
    foretold,
    generalisation,
    machines,
    noise,
    ranking,
    rates,
    recommendation,
    scores,
    sweep,
    timings,
    tradeoff,
    variants,
    weights,
)
from pipeline.analysis.answer import Answer
from pipeline.analysis.critical import Critical, Curve, Runs
from pipeline.analysis.foretold import Foretold
from pipeline.analysis.frame import SCORE_NAME, Frame, goal
from pipeline.analysis.generalisation import Trend
from pipeline.analysis.lines import Affine
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.rates import Surface
from pipeline.analysis.recommendation import Recommendation, Rival
from pipeline.analysis.scores import Outcomes
from pipeline.analysis.sweep import Shift, Sweep
from pipeline.analysis.timings import MemoryLaw
from pipeline.params.load import Params
from pipeline.params.protocol import HERE
from pipeline.params.settings import Settings
from pipeline.selection import budgets, statistics, targets, winners
from pipeline.selection.keys import PACK, RATE, STOPPED, TWO_FASTEST, WHOLE, rows_of
from pipeline.selection.statistics import Estimate
from pipeline.selection.targets import Lowered, Validation

IMBALANCED = 1.5
"""The commonest class over the rarest, beyond which the balanced accuracy is shown too."""


@dataclass(frozen=True)
class Study:
    """What was asked, what was measured, and what follows from it.

    Tables hold all variants unless their text says otherwise; what it says of "the first variant"
    is that of ``frame.first``.
    """

    params: Params
    measured: Measurements

    def with_known(self, **quantities: Any) -> "Study":
        """The same study with quantities that are known already, and are not computed.

        Raises AttributeError for a name that is no quantity of a study.
        """
        study = Study(self.params, self.measured)
        for name, value in quantities.items():
            if not isinstance(getattr(Study, name, None), cached_property):
                raise AttributeError(f"{name!r} is no quantity of a study")
            study.__dict__[name] = value
        return study

    @cached_property
    def frame(self) -> Frame:
        """What everything shown has in common."""
        data, target = self.measured.data, self.params.target
        return Frame(
            data["examples"]["train"],
            SCORE_NAME[data["task"]],
            goal(target.metric, self.measured.target, data["task"]),
            tuple(self.params.grid.variant),
        )

    @cached_property
    def settings(self) -> Mapping[str, Settings]:
        """How each variant trains."""
        return {name: self.params.settings(name) for name in self.frame.variants}

    @cached_property
    def is_imbalanced(self) -> bool:
        """Whether classes differ in size so much that accuracy alone could mislead."""
        classes = self.measured.classes
        if classes.empty or self.measured.data["task"] != "classification":
            return False
        total = classes[["train", "val", "test"]].sum(axis=1)
        return bool(total.max() > IMBALANCED * total.min())

    @property
    def is_outside(self) -> bool:
        """Whether another program trained, of which less is known."""
        return self.params.trainer.name != "lanes"

    @cached_property
    def self_chosen(self) -> list[tuple[str, int]]:
        """The packs whose rate was chosen among several on the seeds that its interval comes from:
        only runs that exist already can be of that kind."""
        lanes, confirmed = self.measured.lanes, self.measured.confirmed_lanes
        found = []
        for pack, rows in confirmed.groupby(PACK, sort=True):
            screened = rows_of(lanes, *pack)
            others = screened[~screened["lr"].isin(rows["lr"])]
            if set(rows["seed"]) & set(screened["seed"]) and (
                len(others) or rows["lr"].nunique() > 1
            ):
                found.append(pack)
        return found

    @property
    def seeds_named(self) -> str:
        """What the seeds behind the intervals are."""
        return "seeds" if self.self_chosen else "fresh seeds"

    @cached_property
    def raced(self) -> pd.DataFrame:
        """The screened trainings that were stopped once they could not change the answer."""
        lanes = self.measured.lanes
        return lanes[lanes["status"] == STOPPED]

    def of_first(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table's rows of the first variant."""
        return rows_of(table, self.frame.first)

    # The tradeoff and the recommendation

    @cached_property
    def outcomes_by_budget(self) -> Mapping[str, Outcomes]:
        """What every solution at the end of each budget makes of every test example."""
        evaluation, outcomes = self.measured.evaluation, self.measured.outcomes
        if not outcomes:
            return {WHOLE: scores.outcomes_of(evaluation, outcomes)}
        return {
            str(budget): scores.outcomes_of(evaluation, outcomes, str(budget))
            for budget in evaluation["budget"].unique()
        }

    @cached_property
    def outcomes(self) -> Outcomes:
        """Those at the end of the whole one."""
        return self.outcomes_by_budget[WHOLE]

    @cached_property
    def solutions(self) -> tuple[pd.DataFrame, ...]:
        """What the tradeoff says of solutions, whatever the target: ``tradeoff.solutions`` and
        ``scores.differences``."""
        measured, outcomes = self.measured, self.outcomes
        return (
            tradeoff.solutions(measured.selection, measured.final_scores, outcomes),
            scores.differences(measured.selection, outcomes),
        )

    @cached_property
    def smooth(self) -> pd.DataFrame:
        """``targets.curves`` of the fresh trainings."""
        measured, metric = self.measured, self.params.target.metric
        return targets.curves(measured.fresh_lanes, measured.fresh, metric)

    def answer_at(self, target: float) -> Answer:
        """``answer.answer`` for a target."""
        metric, seed, measured = self.params.target.metric, self.params.seed, self.measured
        return answer.answer(
            measured, self.smooth, metric, target, self.solutions, seed, self.level
        )

    @property
    def level(self) -> float:
        """``contest.level``: that who may be the fastest, and what it costs at most, is told at."""
        return contest.level(self.params.limits.indifference)

    @cached_property
    def answer(self) -> Answer:
        """That for the study's own target."""
        return self.answer_at(self.measured.target)

    @cached_property
    def counted(self) -> pd.DataFrame:
        """``steps.counted``: the fresh trainings that count, one for each batch size and seed."""
        return self.answer.counted

    @cached_property
    def tradeoff(self) -> pd.DataFrame:
        """``tradeoff.table``: what each batch size costs and gives, and how it ranks."""
        return self.answer.tradeoff

    @cached_property
    def recommendation(self) -> Recommendation:
        """The batch size to use within the limits."""
        return recommendation.recommend(self.tradeoff, self.params.limits)

    @cached_property
    def prices(self) -> Mapping[int, Estimate]:
        """Every row's time to the target over the recommended one's, by its place in the tradeoff;
        none without a recommendation."""
        best, drawn = self.recommendation.best, self.answer.drawn
        if best is None:
            return {}
        prices = {row: ranking.price(drawn, row, best.name) for row in range(len(drawn))}
        sure = {name: self.answer.is_sure(name) for name in self.frame.variants}
        is_sure = self.tradeoff["variant"].map(sure) & sure[best["variant"]]
        return {
            row: price if is_sure[row] else replace(price, low=np.nan, high=np.nan)
            for row, price in prices.items()
        }

    @cached_property
    def band(self) -> pd.DataFrame:
        """``band.table``: the answer over a band of targets."""
        validation = Validation.of(self.measured.data)
        values = targets.band(self.params.target.metric, self.measured.target, validation)
        answers = {float(value): self.answer_at(value) for value in values}
        return band.table(answers, self.params.limits)

    @cached_property
    def lowered(self) -> Lowered | None:
        """``targets.lowered``: why an automatic target is far below what some batch size reaches;
        None for one that was set."""
        measured, metric = self.measured, self.params.target.metric
        if self.params.target.value != "auto":
            return None
        validation, lanes = Validation.of(measured.data), self.of_first(measured.lanes)
        screened, fresh = (
            targets.levels(self.of_first(table), self.of_first(smooth), metric, validation)
            for table, smooth in (
                (measured.lanes, self.screened_smooth),
                (measured.fresh_lanes, self.smooth),
            )
        )
        return targets.lowered(screened, fresh, lanes, metric, measured.target, validation)

    @cached_property
    def equals(self) -> pd.DataFrame:
        """The rows of the tradeoff beside the recommended one that respect the limits and are not
        shown to be slower than the fastest."""
        best, limits = self.recommendation.best, self.params.limits
        if best is None:
            return self.tradeoff[:0]
        rest = recommendation.allowed(self.tradeoff.drop(index=best.name), limits)
        return rest[rest["may_be_fastest"]]

    @cached_property
    def dearest(self) -> float:
        """``ranking.dearest`` of ``equals`` over the recommended one; NaN where there are none."""
        best, rows = self.recommendation.best, self.equals.index.to_numpy()
        if best is None or len(rows) == 0 or not self.answer.is_sure(best["variant"]):
            return float("nan")
        return ranking.dearest(self.answer.drawn, rows, best.name, self.level)

    @cached_property
    def foretold(self) -> Foretold | None:
        """What a contest would make of ``equals``; None where there are none, or none would be held
        for these: a row that breaks a limit may be faster, seeds cannot be added, or were, or the
        study's time is limited."""
        params, best = self.params, self.recommendation.best
        limits, table = params.limits, self.tradeoff
        is_settled = limits.indifference is not None or limits.study_seconds is not None
        if best is None or is_settled or params.trainer.name == "runs" or self.equals.empty:
            return None
        asked = table.loc[contest.contenders(self.answer.drawn, foretold.INDIFFERENCE)]
        refused = len(asked) - len(recommendation.allowed(asked, limits))
        is_sure = all(map(self.answer.is_sure, asked["variant"]))
        if refused or not is_sure or best.name not in asked.index:
            return None
        rows = [best.name, *asked.index.drop(best.name)]
        error = timings.ratio_error(self.measured.throughput, table)
        how = (table, self.answer.steps)
        with_seeds = ranking.draws(*how, error, params.seed, contest.TIMES_SEEDS)
        with_clock = ranking.draws(*how, 0 * error, params.seed)
        return foretold.foretell(with_seeds[rows], with_clock[rows])

    @cached_property
    def rivals(self) -> tuple[Rival, ...]:
        """What rules of the literature would have chosen; none without a recommendation.

        The law of a step's seconds is the first variant's, which speaks of no other.
        """
        best = self.recommendation.best
        if best is None:
            return ()
        law = self.step_law if best["variant"] == self.frame.first else None
        fit = self.fits.get(best["variant"])
        return tuple(recommendation.rivals(self.tradeoff, best, fit, law))

    # Steps to the target

    @cached_property
    def curves(self) -> pd.DataFrame:
        """``tradeoff.fastest_curves``: the confirmed trainings at the fastest rates."""
        return tradeoff.fastest_curves(self.measured.confirmed, self.measured.selection)

    @cached_property
    def budgets(self) -> pd.DataFrame:
        """``budgets.compare``: the best scores under each budget."""
        return budgets.compare(budgets.whole(self.measured.lanes, self.measured.history))

    @cached_property
    def runs(self) -> Mapping[str, Runs]:
        """The trainings that the curve of steps is fitted to, by variant."""
        selection = self.measured.selection
        return {
            name: critical.runs_of(self.counted, selection, name) for name in self.frame.variants
        }

    @cached_property
    def fits(self) -> Mapping[str, Critical]:
        """The fitted curve of steps by variant, of those where it could be fitted."""
        fits = {name: critical.fit(runs) for name, runs in self.runs.items()}
        return {name: fit for name, fit in fits.items() if fit is not None}

    @cached_property
    def critical(self) -> Critical | None:
        """The first variant's fit."""
        return self.fits.get(self.frame.first)

    @cached_property
    def overheads(self) -> pd.DataFrame:
        """``critical.overheads`` of the first variant: its examples to target over the least."""
        return critical.overheads(self.runs[self.frame.first].means, self.params.seed)

    @cached_property
    def step_curves(self) -> Mapping[str, Curve]:
        """The fitted curves of the variants whose batch does not grow."""
        return {
            name: fit.curve
            for name, fit in self.fits.items()
            if not critical.grows(self.counted, name)
        }

    @cached_property
    def critical_table(self) -> pd.DataFrame:
        """The fits as a table."""
        return critical.table(self.fits)

    @cached_property
    def local_critical(self) -> pd.DataFrame:
        """``branches.local_critical``: how large the batch may be at moments of a training."""
        return branches.local_critical(self.measured.branches)

    @cached_property
    def branch_progress(self) -> pd.DataFrame:
        """``branches.progress`` of the seeds that reached every moment."""
        return branches.progress(branches.whole(self.measured.branches))

    @cached_property
    def local_critical_growth(self) -> Estimate:
        """``branches.growth``: its exponent along the training."""
        return branches.growth(self.measured.branches)

    # The learning rate

    @cached_property
    def screened_smooth(self) -> pd.DataFrame:
        """``targets.curves`` of the screened trainings."""
        measured, metric = self.measured, self.params.target.metric
        return targets.curves(measured.lanes, measured.history, metric)

    @cached_property
    def screened(self) -> pd.DataFrame:
        """``winners.by_rate``: what the screening found at every rate."""
        measured, metric = self.measured, self.params.target.metric
        return winners.by_rate(measured.lanes, self.screened_smooth, metric, measured.target)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """The screened rates with their seconds to target and what they won by."""
        timed = tradeoff.rates_with_seconds(self.screened, self.tradeoff)
        return tradeoff.rates_with_winners(timed, self.measured.selection)

    @cached_property
    def windows(self) -> pd.DataFrame:
        """``rates.windows``: the best rate of each batch size, and those that would do."""
        return rates.windows(self.screened, self.measured.selection)

    @cached_property
    def rate_surface(self) -> Surface:
        """``rates.surface`` of the first variant's screened trainings."""
        measured, metric = self.measured, self.params.target.metric
        lanes, smooth = self.of_first(measured.lanes), self.of_first(self.screened_smooth)
        arrived = targets.arrivals(lanes, smooth, metric, measured.target)
        fit = self.critical
        is_known = fit is not None and fit.identified == "yes"
        return rates.surface(arrived, fit.curve.critical if fit and is_known else None)

    @cached_property
    def finder_choices(self) -> pd.DataFrame:
        """``finders.choices``: what learning-rate finders would have chosen."""
        measured = self.measured
        if measured.range_tests.empty:
            return pd.DataFrame(columns=finders.COLUMNS)
        budget = measured.lanes.groupby(PACK)["steps"].max()
        return finders.choices(measured.range_tests, self.screened, budget)

    @cached_property
    def rate_exponents(self) -> pd.DataFrame:
        """The surface's exponents as a table."""
        surface = self.rate_surface
        exponents = {"below": surface.below, "above": surface.above, "whole": surface.whole}
        return pd.DataFrame(
            {"batch_sizes": where, "n": exponent.n} | exponent.columns("exponent")
            for where, exponent in exponents.items()
        )

    @cached_property
    def descents(self) -> pd.DataFrame:
        """The textbook's descents on two variables, step by step."""
        return descent.paths()

    # Variants

    @cached_property
    def variants(self) -> pd.DataFrame:
        """``variants.compare``: every ordered pair of variants; empty for a single one."""
        if not self.frame.has_variants:
            return pd.DataFrame()
        measured = self.measured
        return variants.compare(
            self.screened, measured.selection, self.counted, measured.final_scores
        )

    @cached_property
    def screening(self) -> pd.DataFrame:
        """``variants.screening``: what became of each pack's grid of rates."""
        return variants.screening(self.screened)

    @cached_property
    def steps_ratios(self) -> Mapping[str, Estimate]:
        """Every other variant's steps to target over the first one's, over all batch sizes."""
        first, *others = self.frame.variants
        return {
            name: variants.overall(self.variants, first, name, "steps_ratio") for name in others
        }

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """``sweep.sweeps``: the settings that variants differ in alone."""
        return [] if self.is_outside else sweep.sweeps(self.settings)

    @cached_property
    def sweep_outcomes(self) -> Mapping[str, pd.DataFrame]:
        """``sweep.outcomes`` of each of them, by name."""
        lanes = self.measured.confirmed_lanes
        return {swept.name: sweep.outcomes(swept, self.counted, lanes) for swept in self.sweeps}

    @cached_property
    def sweep_table(self) -> pd.DataFrame:
        """What every value of them comes to at every batch size."""
        return pd.concat([sweep.by_value(cells) for cells in self.sweep_outcomes.values()])

    @cached_property
    def sweep_shifts(self) -> Mapping[str, Mapping[str, Shift]]:
        """How the best value of each moves with the batch size, by name and criterion."""
        return {name: sweep.shifts(cells) for name, cells in self.sweep_outcomes.items()}

    # This machine

    @cached_property
    def timed(self) -> pd.DataFrame:
        """The first variant's timings of batches taken whole."""
        return timings.whole_batches(self.measured.throughput, self.frame.first)

    @cached_property
    def memory_law(self) -> MemoryLaw | None:
        """``timings.memory_law`` of the first variant."""
        return timings.memory_law(self.timed)

    @cached_property
    def step_law(self) -> Affine | None:
        """``timings.step_law`` of the first variant."""
        return timings.step_law(self.timed)

    @cached_property
    def speed_ups(self) -> Mapping[str, Estimate]:
        """The mean speed-up of each kind of aligned size; none where none was timed."""
        if self.measured.alignment.empty:
            return {}
        return {
            str(kind): timings.mean_speed_up(pairs)
            for kind, pairs in self.measured.alignment.groupby("kind", sort=False)
        }

    @cached_property
    def accumulation(self) -> pd.DataFrame:
        """``timings.accumulated``: what micro-batches cost."""
        return timings.accumulated(self.measured.throughput)

    @cached_property
    def machines(self) -> Mapping[str, "Study"]:
        """The same trainings by the steps of every machine that was timed, this one first, within
        the memory that each has."""
        others = {name: self.on(name) for name in self.measured.machines}
        return {HERE: self} | others

    def on(self, name: str) -> "Study":
        """The same trainings by the steps of another machine."""
        limits, memory = self.params.limits, self.params.machine(name).memory_gb
        params = replace(self.params, limits=replace(limits, memory_gb=memory or limits.memory_gb))
        measured = replace(self.measured, throughput=self.measured.machines[name], machines={})
        shared = ("frame", "smooth", "outcomes", "solutions")
        return Study(params, measured).with_known(**{each: getattr(self, each) for each in shared})

    @cached_property
    def machine_table(self) -> pd.DataFrame:
        """``machines.costs`` of all machines."""
        known = self.params.machine
        return pd.concat(
            machines.costs(name, one.tradeoff, one.recommendation.best, known(name))
            for name, one in self.machines.items()
        ).reset_index(drop=True)

    @cached_property
    def devices(self) -> pd.DataFrame:
        """``data_parallel.predict``: more devices, beside what was measured of them."""
        predicted = data_parallel.predict(
            self.tradeoff,
            self.measured.throughput,
            self.frame.examples,
            self.params.data_parallel,
        )
        return data_parallel.beside_measured(predicted, self.measured.data_parallel)

    @cached_property
    def shared_batches(self) -> pd.DataFrame:
        """The rows of ``devices`` of which the time of a step was measured."""
        return self.devices.dropna(subset=["measured_seconds_per_step"])

    @cached_property
    def best_by_devices(self) -> pd.DataFrame:
        """The best batch size for each number of devices."""
        return data_parallel.best_by_devices(self.devices)

    # What the solutions are like

    @cached_property
    def generalisation(self) -> pd.DataFrame:
        """``generalisation.compare``: test scores against the smallest batch size's."""
        measured, margin = self.measured, self.params.limits.score_margin
        return generalisation.compare(measured.evaluation, measured.selection, margin)

    @cached_property
    def error_trends(self) -> Mapping[str, Trend]:
        """``generalisation.trends`` of the first variant, by comparison."""
        selection, first = self.measured.selection, self.frame.first
        if self.outcomes.is_told:
            return {}
        return generalisation.trends(selection, self.outcomes_by_budget, first)

    @cached_property
    def error_trend_table(self) -> pd.DataFrame:
        """Those trends as a table."""
        return pd.DataFrame(
            {"comparison": name, "smallest": trend.smallest, "largest": trend.largest}
            | trend.ratio.columns("error_ratio")
            | {"seeds": trend.ratio.n}
            for name, trend in self.error_trends.items()
        )

    @cached_property
    def sharpness(self) -> pd.DataFrame:
        """``curvature.by_batch_size``: three measures of the best-scoring solutions."""
        return curvature.by_batch_size(self.measured.sharpness)

    @cached_property
    def sharpness_exponents(self) -> Mapping[str, Estimate]:
        """How each measure grows with the first variant's batch size, by its column."""
        return curvature.exponents(self.measured.sharpness, self.frame.first)

    @cached_property
    def final_losses(self) -> "pd.Series[float]":
        """The training loss of the first variant's best-scoring solutions, by batch size: geometric
        means."""
        ends = self.of_first(self.measured.sharpness)
        ends = ends[ends["point"] == "solution"] if len(ends) else ends
        if ends.empty:
            return pd.Series(dtype=float)
        losses = np.log(ends["train_loss"].clip(lower=curvature.TINY))
        return np.exp(losses.groupby(ends["batch_size"]).mean())

    @cached_property
    def equal_loss(self) -> pd.DataFrame:
        """``curvature.at_equal_loss`` of the first variant."""
        return curvature.at_equal_loss(self.measured.sharpness, self.frame.first)

    @cached_property
    def equal_loss_exponent(self) -> Estimate:
        """``curvature.equal_loss_exponent`` of the first variant."""
        return curvature.equal_loss_exponent(self.measured.sharpness, self.frame.first)

    @cached_property
    def early_products(self) -> pd.DataFrame:
        """``curvature.early_products`` of the first variant."""
        return curvature.early_products(self.measured.sharpness, self.frame.first)

    @cached_property
    def stability(self) -> pd.DataFrame:
        """``curvature.products`` of the first variant: rate times largest eigenvalue."""
        return curvature.products(self.measured.sharpness, self.frame.first)

    @cached_property
    def stability_limit(self) -> float | None:
        """What that product may reach before full-batch descent diverges."""
        return curvature.stability_limit(self.settings[self.frame.first].optimizer)

    @cached_property
    def rescaling(self) -> pd.DataFrame:
        """``curvature.control``: what a rescaling of layers does to the measures."""
        return curvature.control(self.measured.sharpness)

    @cached_property
    def line_peaks(self) -> pd.DataFrame:
        """``weights.line_peaks`` of the first variant; empty where no line was drawn."""
        landscape = self.measured.landscape
        line = self.of_first(landscape[landscape["path"] == "line"])
        return weights.line_peaks(line) if len(line) else pd.DataFrame()

    @cached_property
    def line_peak_ratio(self) -> Estimate:
        """The highest loss between two solutions over that at the higher of them."""
        peaks = self.line_peaks
        if peaks.empty:
            return statistics.UNKNOWN
        return statistics.geometric_mean((peaks["peak"] / peaks["end"]).tolist())

    @cached_property
    def noise_scales(self) -> pd.DataFrame:
        """``noise.scales``: the gradient noise scale along the trainings."""
        return noise.scales(self.measured.gradient_noise)

    @cached_property
    def examples_needed(self) -> Mapping[str, Estimate]:
        """``noise.examples_needed`` of the first variant, by moment."""
        return noise.examples_needed(self.noise_scales, self.frame.first)

    @cached_property
    def noise_exponent(self) -> Estimate:
        """How the first variant's gradient error falls with the number of examples."""
        return noise.error_exponent(self.measured.gradient_noise, self.frame.first)

    @cached_property
    def oscillation(self) -> pd.DataFrame:
        """``noise.oscillation``: how the loss scatters near the target, at the fastest rates."""
        measured = self.measured
        fast = measured.selection.loc[measured.selection["criterion"].isin(TWO_FASTEST), RATE]
        return noise.oscillation(measured.confirmed.merge(fast, on=RATE))

    @cached_property
    def oscillation_exponents(self) -> Mapping[str, Estimate]:
        """How the first variant's oscillation goes with the batch size, by its column."""
        return noise.oscillation_exponents(self.oscillation, self.frame.first)

    @cached_property
    def escapes(self) -> pd.DataFrame:
        """``escape.escapes``: noisy descents in a double well, none of it from the data."""
        return escape.escapes(self.params.seed)

    @cached_property
    def weight_growth(self) -> pd.Series:
        """The first variant's length of the weights at the end over the start."""
        return weights.growth(self.curves, self.frame.first)


def tables(study: Study) -> dict[str, pd.DataFrame]:
    """What lies below reports/tables, by name; what a study cannot have is left out."""
    measured = study.measured
    always = {
        "tradeoff": study.tradeoff,
        "rates": study.rates,
        "curves": study.curves,
        "budgets": study.budgets,
        "targets": study.band,
        "critical": study.critical_table,
        "overheads": study.overheads,
        "local_critical": study.local_critical,
        "windows": study.windows,
        "descent": study.descents,
        "throughput": measured.throughput,
        "power_of_two": measured.alignment,
        "accumulate": study.accumulation,
        "data_parallel": study.devices,
        "generalisation": study.generalisation,
        "error_trends": study.error_trend_table,
        "rate_exponents": study.rate_exponents,
        "rate_finders": study.finder_choices,
        "equal_loss": study.equal_loss,
        "early_products": study.early_products,
        "sharpness": study.sharpness,
        "stability": study.stability,
        "rescaling": study.rescaling,
        "landscape": measured.landscape,
        "gradient_noise": measured.gradient_noise,
        "noise_scales": study.noise_scales,
        "oscillation": study.oscillation,
        "escapes": study.escapes,
    }
    where_there_are_any = {
        "variants": study.variants,
        "sweeps": study.sweep_table if study.sweeps else pd.DataFrame(),
        "features": measured.features,
        "classes": measured.classes,
        "machines": study.machine_table if measured.machines else pd.DataFrame(),
        "columns": measured.columns,
    }
    return always | {name: table for name, table in where_there_are_any.items() if len(table)}
