"""The trainings of a study that a program is called for."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.executors.choice import executor
from pipeline.outside import clock, program
from pipeline.outside.curve import check_metric, diverged_step
from pipeline.outside.program import Call, Failure, Program, Told, side_by_side
from pipeline.outside.race import Race, likely_first
from pipeline.outside.trainings import Tables, Timed, named, tables, together
from pipeline.params.load import Params
from pipeline.params.protocol import BatchSize
from pipeline.params.settings import Cell
from pipeline.race import bar as bars
from pipeline.race import rule
from pipeline.race.bar import Bar
from pipeline.selection import edges, targets
from pipeline.selection.keys import CELL, STOPPED
from pipeline.training import budget
from pipeline.workspace import files
from pipeline.workspace.progress import progress


@dataclass(frozen=True)
class Called:
    """A study's program, and where the tables of finished calls lie."""

    params: Params
    program: Program

    @classmethod
    def of(cls, params: Params) -> "Called":
        """The program of params.yaml."""
        trainer = params.trainer
        program.end_with_this_process()
        watched = params.watched.program
        finished = files.CHECKPOINTS / f"calls-{program.digest(str(trainer.command), watched)}"
        cluster = executor(params)
        inputs = program.inputs(watched) if cluster else ()
        return cls(params, Program(trainer, finished, cluster, inputs))

    @property
    def examples(self) -> int:
        """Of an epoch."""
        examples = self.params.trainer.train_examples
        assert examples is not None
        return examples

    def packs(self) -> list[tuple[str, int]]:
        """The packs of the grid."""
        return [
            (variant, budget.resolve(size, self.examples)) for variant, size in self.params.packs()
        ]

    def pilot(self, variant: str) -> int:
        """The batch size whose trainings take the fewest examples."""
        params = self.params
        own_budget, sizes = params.settings(variant).budget, params.grid.batch_size
        return budget.resolve(budget.cheapest(own_budget, self.examples, sizes), self.examples)

    def pilot_run(self, variant: str, batch_size: BatchSize) -> Path | None:
        """The folder of a pack's run where it was trained before the race."""
        folder = files.pilot_folder(variant, budget.resolve(batch_size, self.examples))
        return folder if self.params.waves.variant and folder.is_dir() else None

    def screened(self, variant: str, batch_size: BatchSize) -> Tables:
        """A pack of the grid, and the rates that are added to it, raced if a pilot says so."""
        if not self.params.waves.variant:
            return self.raced(variant, batch_size, None, self.race())
        first, _ = bars.read(files.PILOTS / self.params.grid.variant[0] / "bar.json")
        own, steps = bars.read(files.PILOTS / variant / "bar.json")
        size = budget.resolve(batch_size, self.examples)
        race = self.race(first, steps.get(str(size), np.inf))
        return self.raced(variant, batch_size, own if first else None, race)

    def race(self, bar: Bar | None = None, limit: float = np.inf) -> Race:
        """A race of one pack's calls, which all train whole without a bar or a limit."""
        return Race(self.params.target.metric, bar, limit)

    def raced(self, variant: str, batch_size: BatchSize, pilot: Bar | None, race: Race) -> Tables:
        """A pack of the grid, beginning with the rates that its pilot makes likely, and the rates
        that are added to it, as far as a race goes."""
        params, label = self.params, f"train {variant} {batch_size}"
        size = budget.resolve(batch_size, self.examples)
        rates = params.settings(variant).lr
        cells = params.cells(variant, batch_size, size)
        if pilot and params.grid.extensions:
            near = rule.bracket(sorted({cell.lr for cell in cells}), pilot, size)
            cells = [cell for cell in cells if cell.lr in near]
        found = self.train(cells, label, race)
        for adding in edges.additions(params.grid.extensions):
            for _ in range(adding.times):
                if found.lanes.empty or is_out_of_time(found, race):
                    return found
                best = best_rates(found, race, adding.shares)
                added = [edges.of_grid(rate, rates) for rate in adding.rule(found.lanes, best)]
                if not added:
                    break
                cells = [
                    Cell(variant, batch_size, lr, seed, adding.phase)
                    for lr in added
                    for seed in params.screen_seeds()
                ]
                found = together([found, self.train(cells, f"{label}, added rates", race)])
        return found

    def fresh(self, chosen: pd.DataFrame, is_bounded: bool) -> Tables:
        """Chosen rates of one pack on seeds that the screening never saw; far beyond the target
        they may end where that is bounded."""
        limit = targets.far_beyond(chosen) if is_bounded else np.inf
        return self.on_seeds(chosen, self.params.confirm_seeds(), "confirm", limit)

    def on_seeds(
        self, chosen: pd.DataFrame, seeds: Sequence[int], phase: str, limit: float
    ) -> Tables:
        """Chosen rates of one pack, rows of the selection, on these seeds, for so many steps at
        most."""
        variant, size = str(chosen["variant"].iloc[0]), int(chosen["batch_size"].iloc[0])
        cells = [
            Cell(variant, size, lr, seed, phase)
            for lr in dict.fromkeys(chosen["lr"])
            for seed in seeds
        ]
        return self.train(cells, f"{phase} {variant} {size}", self.race(limit=limit))

    def timed(self) -> dict[tuple[str, int], list[Timed]]:
        """Seconds of a step at every pack of the grid; without packs of which a call fails."""
        smallest = {pack: min(self.params.settings(pack[0]).lr) for pack in self.packs()}
        calls = [self.call(Cell(*pack, lr, 0)) for pack, lr in smallest.items()]
        return clock.timed(self.program, calls, self.params.target.metric)

    def clear(self) -> None:
        """Forget the finished calls, if none failed: what they led to is written."""
        self.program.clear()

    def train(self, cells: Sequence[Cell], label: str, race: Race) -> Tables:
        """Call the program for these cells, as far as the race goes; calls that fail are told, and
        left out."""
        calls = [self.call(cell) for cell in cells]
        race.entered += calls
        for call in calls:
            known = self.program.known(call) if race.may_end else None
            if known:
                race.ended(call, known)
        with progress(label, len(calls), "training") as on_done:

            def train(call: Call) -> Told | Failure:
                result = self.program.train(call, race.is_enough if race.may_end else None)
                race.ended(call, result)
                if not self.program.is_ended:
                    on_done(1)
                return result

            order = likely_first(calls) if race.may_end else calls
            by_call = dict(zip(order, side_by_side(self.program, order, train), strict=True))
        results = [by_call[call] for call in calls]
        both = list(zip(calls, results, strict=True))
        trained = [(call, told) for call, told in both if isinstance(told, Told)]
        failed = [(call, failure) for call, failure in both if isinstance(failure, Failure)]
        if failed:
            call, failure = failed[0]
            words = f"{call.name}: {failure.reason} ({failure.log})"
            count = f"{len(failed)} of {len(calls)} calls fail"
            print(f"{label}: {count}; the first, {words}", file=sys.stderr)
        for _, told in trained:
            if diverged_step(told.curve) is None:
                check_metric(told.curve, race.metric)
        ended = sum(not told.is_whole for _, told in trained)
        if ended:
            words = "calls were ended, for what else they would tell cannot change the answer"
            print(f"{label}: {ended} of {len(calls)} {words}", file=sys.stderr)
        curves = [race.cut(told.curve).assign(**named(call.cell)) for call, told in trained]
        done = [
            named(call.cell)
            | {"phase": call.cell.phase, "steps": call.steps}
            | {"is_stopped": race.is_cut(call, told)}
            for call, told in trained
        ]
        lost = [
            named(call.cell) | {"reason": failure.reason, "log": str(failure.log)}
            for call, failure in failed
        ]
        table = pd.DataFrame(done, columns=[*CELL, "phase", "steps", "is_stopped"])
        table = table.astype({"batch_size": "int64", "lr": float, "seed": "int64"})
        return tables(pd.concat(curves or [none_trained()]), table, self.examples, lost)

    def call(self, cell: Cell) -> Call:
        """The call that trains a cell to the end of its budget."""
        size = budget.resolve(cell.batch_size, self.examples)
        own_budget = self.params.settings(cell.variant).budget
        return Call(
            replace(cell, batch_size=size), budget.total_steps(own_budget, self.examples, size)
        )


def is_out_of_time(found: Tables, race: Race) -> bool:
    """Whether calls were stopped for want of time before any rate led: others would be, too."""
    is_stopped = (found.lanes["status"] == STOPPED).any()
    return bool(is_stopped and np.isinf(race.horizon))


def best_rates(found: Tables, race: Race, shares: Collection[float]) -> Collection[float | None]:
    """The rate that leads the race; where none does, the best ones at shares of the budget."""
    if np.isfinite(race.horizon):
        assert race.bar is not None
        return {bars.fastest_rate(bars.arrivals(found.lanes, found.history, race.bar))}
    longest = int(found.lanes["steps"].max())
    return edges.best_rates(found.lanes, with_loss(found.history), longest, shares)


def none_trained() -> pd.DataFrame:
    """The curves of no training."""
    kinds = {"variant": str, "batch_size": "int64", "lr": float, "seed": "int64"}
    kinds |= {"step": "int64", "val_loss": float}
    return pd.DataFrame(columns=list(kinds)).astype(kinds)


def with_loss(history: pd.DataFrame) -> pd.DataFrame:
    """The history with what stands for a loss where a program gives none: the score, turned."""
    if history["val_loss"].notna().any():
        return history
    return history.assign(val_loss=-history["val_score"])
