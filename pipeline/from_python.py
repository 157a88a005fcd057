"""The recommendation for a table of runs, from Python, ``from pipeline import recommend``: no DVC,
no files."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import pandas as pd

from pipeline.analysis import timings
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.study import Study
from pipeline.outside import confirmation, runs, timing, trainings, unmeasured
from pipeline.outside.curve import check_metric
from pipeline.outside.runs import Runs
from pipeline.params.checks import one_of
from pipeline.params.load import Params
from pipeline.params.protocol import Grid, Limits, Target
from pipeline.params.trainer import Columns, Trainer
from pipeline.reporting.words.headline import headline
from pipeline.reporting.words.overview import warnings
from pipeline.selection.keys import rows_of
from pipeline.selection.statistics import UNKNOWN, Estimate


@dataclass(frozen=True)
class Advice:
    """What to use, and what it rests on.

    headline: in words. variant, batch_size, lr: what is recommended, None where nothing is, as
    where the runs tell no seconds. seconds_to_target, steps_to_target: of the recommended one, with
    95 % intervals. may_be_fastest: the batch sizes of that variant that are not shown to be slower
    than any other, the recommended one with them. critical: the first variant's critical batch size
    with its interval. tradeoff: a row for each variant and batch size. warnings: what to know
    before believing it. study: everything else.
    """

    headline: str
    variant: str | None
    batch_size: int | None
    lr: float | None
    target: float
    seconds_to_target: Estimate
    steps_to_target: Estimate
    may_be_fastest: tuple[int, ...]
    critical: Estimate
    tradeoff: pd.DataFrame
    warnings: tuple[str, ...]
    study: Study


def recommend(
    table: pd.DataFrame,
    *,
    metric: str = "val_loss",
    target: float | str = "auto",
    columns: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    train_examples: int | None = None,
    val_examples: int = 10_000,
) -> Advice:
    """Which batch size and learning rate a table of runs speaks for.

    table: a row for each evaluation of each run, with batch_size, lr, step, one of val_loss and
    val_score, and, where they are known, seed, variant, test_score and seconds since the run began.
    columns: what these are called in the table, where it is something else. metric: ``val_loss`` or
    ``val_score``, of which ``target`` is a value. limits: what the recommendation must respect.
    train_examples: of an epoch; val_examples: how finely a score is known.

    Raises InputError naming the row or column and the rule.
    """
    for name in columns or {}:
        one_of("columns", name, tuple(field.name for field in fields(Columns)))
    named = Columns(**(columns or {}))
    known = runs.of_frame(table, named)
    check_metric(known, metric)
    has = runs.grid(known)
    told = Runs(known, train_examples)
    params = Params(
        trainer=Trainer(
            name="runs", path="a DataFrame", columns=named,
            train_examples=train_examples, val_examples=val_examples,
        ),
        grid=Grid(has.variant, has.batch_size, has.lr, has.seeds, extensions=0),
        variants={name: {} for name in has.variant},
        target=Target(metric, target),
        limits=limits or Limits(),
    )  # fmt: skip
    study = Study(params, measured(params, told))
    return advice(study)


def measured(params: Params, told: Runs) -> Measurements:
    """What the stages would have written of these runs."""
    screened = trainings.together(told.screened(variant, size) for variant, size in told.packs())
    lanes, history = screened.lanes, screened.history
    first = params.grid.variant[0]
    selection, fresh = confirmation.confirmed(params, lanes, history, told.fresh, told.pilot(first))
    timed = timing.throughput(told.packs(), told.timed(), here=False)
    empty = {name: unmeasured.table(name) for name in unmeasured.COLUMNS}
    retimed = empty.pop("retimed")
    del empty["snapshots"]
    examples = {"train": told.examples, "val": params.trainer.val_examples, "test": None}
    return replace(
        Measurements(**empty),
        history=history,
        lanes=lanes,
        selection=selection,
        confirmed=fresh.history,
        confirmed_lanes=fresh.lanes,
        evaluation=trainings.evaluation(fresh.lanes),
        throughput=timings.with_later(timed, retimed),
        data={"task": trainings.TASK, "examples": examples, "file": "a DataFrame"},
    )


def advice(study: Study) -> Advice:
    """The answer of a study."""
    best, fit = study.recommendation.best, study.critical
    sizes = []
    if best is not None:
        sizes = [best["batch_size"], *rows_of(study.equals, best["variant"])["batch_size"]]
    return Advice(
        headline=headline(study),
        variant=None if best is None else str(best["variant"]),
        batch_size=None if best is None else int(best["batch_size"]),
        lr=None if best is None else float(best["lr"]),
        target=study.measured.target,
        seconds_to_target=estimate(best, "seconds_to_target"),
        steps_to_target=estimate(best, "steps_to_target"),
        may_be_fastest=tuple(sorted(int(size) for size in sizes)),
        critical=UNKNOWN if fit is None else Estimate(fit.curve.critical, fit.low, fit.high, fit.n),
        tradeoff=study.tradeoff,
        warnings=tuple(warnings(study)),
        study=study,
    )


def estimate(row: "pd.Series | None", name: str) -> Estimate:
    """A column of the tradeoff with its interval."""
    if row is None:
        return UNKNOWN
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return Estimate(value, low, high, int(row["seeds"]))
