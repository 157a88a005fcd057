"""The trainings of a study that a program is called for."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from pipeline.errors import InputError
from pipeline.outside import program
from pipeline.outside.curve import CurveError, check_metric, diverged_step
from pipeline.outside.program import Call, Failure, Program
from pipeline.outside.trainings import Tables, tables, together
from pipeline.params.load import Params
from pipeline.params.protocol import BatchSize
from pipeline.params.settings import Cell
from pipeline.selection import edges
from pipeline.selection.keys import CELL
from pipeline.training import budget
from pipeline.workspace import files
from pipeline.workspace.progress import progress

TIMES = 3
"""How often the steps of each batch size are timed."""
LONG_ENOUGH, LONGER = 0.25, 4
"""The steps that a long call has more than a short one must take this share of the short one; else
both are made so many times as long."""


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
        inputs = program.digest(str(trainer.command), params.watched.program)
        return cls(params, Program(trainer, files.CHECKPOINTS / f"calls-{inputs}"))

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

    def screened(self, variant: str, batch_size: BatchSize) -> Tables:
        """A pack of the grid, and the rates that are added to it."""
        params = self.params
        size = budget.resolve(batch_size, self.examples)
        label = f"train {variant} {batch_size}"
        found = self.train(params.cells(variant, batch_size, size), label)
        rates = params.settings(variant).lr
        for phase, rule, shares in edges.rounds(params.grid.extensions):
            if found.lanes.empty:
                break
            best = edges.best_rates(
                found.lanes, with_loss(found.history), int(found.lanes["steps"].max()), shares
            )
            added = [edges.of_grid(rate, rates) for rate in rule(found.lanes, best)]
            cells = [
                Cell(variant, batch_size, lr, seed, phase)
                for lr in added
                for seed in params.screen_seeds()
            ]
            if cells:
                found = together([found, self.train(cells, f"{label}, added rates")])
        return found

    def fresh(self, variant: str, batch_size: BatchSize, rates: Sequence[float]) -> Tables:
        """Rates of a pack on seeds that the screening never saw."""
        cells = [
            Cell(variant, batch_size, lr, seed, "confirm")
            for lr in rates
            for seed in self.params.confirm_seeds()
        ]
        return self.train(cells, f"confirm {variant} {batch_size}")

    def timed(self) -> dict[tuple[str, int], list[float]]:
        """Seconds of a step at every pack of the grid, TIMES each, one call at a time; without
        packs of which a call fails.

        What a call takes longer than one of a third of its steps, for what the program takes to
        start and to end is in both; by its own clock where it writes ``seconds``.

        Raises InputError where no pack can be timed.
        """
        found: dict[tuple[str, int], list[float]] = {pack: [] for pack in self.packs()}
        steps = dict.fromkeys(found, self.params.trainer.timed_steps)
        with progress("throughput", TIMES * len(found), "timing") as on_done:
            for number in range(TIMES):  # in rounds: a busy minute shows at all batch sizes
                for pack in list(found):
                    try:
                        seconds, steps[pack] = self.timed_once(*pack, number, steps[pack])
                        found[pack].append(seconds)
                    except CurveError as error:
                        print(f"throughput: {' '.join(map(str, pack))}: {error}", file=sys.stderr)
                        del found[pack]
                    on_done(1)
        if not found:
            raise InputError("trainer.command: no batch size could be timed; see the lines above")
        return found

    def timed_once(self, variant: str, size: int, seed: int, steps: int) -> tuple[float, int]:
        """Seconds of a step of one pack, at its smallest rate, and the steps of the short call that
        told them. Calls are made longer than ``steps`` until their steps take long enough beside
        what all calls take, or a whole training is timed.

        Raises CurveError where a call fails, or all its steps take no time.
        """
        cell = Cell(variant, size, min(self.params.settings(variant).lr), seed)
        whole = self.call(cell).steps
        steps = min(steps, max(1, whole // 3))
        while True:
            short, done, _ = self.program.timed(Call(cell, steps))
            long, all_done, table = self.program.timed(Call(cell, 3 * steps))
            is_long = all_done > done and long - short >= LONG_ENOUGH * short
            if is_long or 3 * steps >= whole:
                break
            steps = min(LONGER * steps, whole // 3 + 1)
        check_metric(table, self.params.target.metric)
        if all_done == done or long <= short:
            rule = "take no time beside the rest of a call: let the program write `seconds`"
            raise CurveError(f"{3 * steps} steps {rule}")
        return (long - short) / (all_done - done), steps

    def clear(self) -> None:
        """Forget the finished calls, if none failed: what they led to is written."""
        self.program.clear()

    def train(self, cells: Sequence[Cell], label: str) -> Tables:
        """Call the program for these cells; calls that fail are told, and left out."""
        calls = [self.call(cell) for cell in cells]
        with progress(label, len(calls), "training") as on_done:
            results = program.all_trained(self.program, calls, on_done)
        both = list(zip(calls, results, strict=True))
        trained = [(call, curve) for call, curve in both if isinstance(curve, pd.DataFrame)]
        failed = [(call, failure) for call, failure in both if isinstance(failure, Failure)]
        if failed:
            call, failure = failed[0]
            words = f"{call.name}: {failure.reason} ({failure.log})"
            count = f"{len(failed)} of {len(calls)} calls fail"
            print(f"{label}: {count}; the first, {words}", file=sys.stderr)
        for _, curve in trained:
            if diverged_step(curve) is None:
                check_metric(curve, self.params.target.metric)
        curves = [curve.assign(**key(call.cell)) for call, curve in trained] or [none_trained()]
        done = [
            key(call.cell) | {"phase": call.cell.phase, "steps": call.steps, "is_stopped": False}
            for call, _ in trained
        ]
        lost = [
            key(call.cell) | {"reason": failure.reason, "log": str(failure.log)}
            for call, failure in failed
        ]
        table = pd.DataFrame(done, columns=[*CELL, "phase", "steps", "is_stopped"])
        table = table.astype({"batch_size": "int64", "lr": float, "seed": "int64"})
        return tables(pd.concat(curves), table, self.examples, lost)

    def call(self, cell: Cell) -> Call:
        """The call that trains a cell to the end of its budget."""
        size = budget.resolve(cell.batch_size, self.examples)
        own_budget = self.params.settings(cell.variant).budget
        return Call(
            replace(cell, batch_size=size), budget.total_steps(own_budget, self.examples, size)
        )


def key(cell: Cell) -> dict[str, object]:
    """What names a cell in a table."""
    return {name: getattr(cell, name) for name in CELL}


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
