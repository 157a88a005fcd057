"""The trainings of a study that a program is called for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.errors import InputError, require
from pipeline.outside import program
from pipeline.outside.curve import check_metric
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


@dataclass(frozen=True)
class Called:
    """A study's program, and where the tables of finished calls lie."""

    params: Params
    program: Program

    @classmethod
    def of(cls, params: Params) -> "Called":
        """The program of params.yaml."""
        trainer = params.trainer
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
        """Seconds of a step at every pack of the grid, TIMES each, one call at a time.

        What TIMES calls three times as long as a short one take more, for what a program takes to
        start and to end is in both; by its own clock where it writes ``seconds``.

        Raises InputError where a call fails.
        """
        packs = self.packs()
        short = self.params.trainer.timed_steps
        found: dict[tuple[str, int], list[float]] = {pack: [] for pack in packs}
        with progress("throughput", 2 * TIMES * len(packs), "call") as on_done:
            for number in range(TIMES):
                for variant, size in packs:
                    lr = float(np.median(self.params.settings(variant).lr))
                    cell = Cell(variant, size, lr, number)
                    taken = []
                    for steps in (short, 3 * short):
                        taken.append(self.timed_call(Call(cell, steps)))
                        on_done(1)
                    found[variant, size].append((taken[1] - taken[0]) / (2 * short))
        for (variant, size), seconds in found.items():
            rule = f"steps of {variant} {size} are too few to tell what one takes"
            require(min(seconds) > 0, "trainer.timed_steps", short, rule)
        return found

    def timed_call(self, call: Call) -> float:
        """The seconds of a call, whose table must have the target's metric.

        Raises InputError where it fails.
        """
        seconds, table = self.program.timed(call)
        check_metric(table, self.params.target.metric)
        return seconds

    def clear(self) -> None:
        """Forget the finished calls, if none failed: what they led to is written."""
        self.program.clear()

    def train(self, cells: Sequence[Cell], label: str) -> Tables:
        """Call the program for these cells.

        Raises InputError where no call gives a training.
        """
        calls = [self.call(cell) for cell in cells]
        with progress(label, len(calls), "training") as on_done:
            results = program.all_trained(self.program, calls, on_done)
        both = list(zip(calls, results, strict=True))
        trained = [(call, curve) for call, curve in both if isinstance(curve, pd.DataFrame)]
        failed = [(call, failure) for call, failure in both if isinstance(failure, Failure)]
        if failed:
            call, failure = failed[0]
            words = f"{call.name}: {failure.reason} ({failure.log})"
            if not trained:
                raise InputError(f"{label}: all {len(failed)} calls fail; {words}")
            print(f"{label}: {len(failed)} of {len(calls)} calls fail; the first, {words}")
        for _, curve in trained:
            check_metric(curve, self.params.target.metric)
        curves = [curve.assign(**key(call.cell)) for call, curve in trained]
        done = [
            key(call.cell) | {"phase": call.cell.phase, "steps": call.steps, "is_stopped": False}
            for call, _ in trained
        ]
        lost = [
            key(call.cell) | {"reason": failure.reason, "log": str(failure.log)}
            for call, failure in failed
        ]
        return tables(pd.concat(curves), pd.DataFrame(done), self.examples, lost)

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


def with_loss(history: pd.DataFrame) -> pd.DataFrame:
    """The history with what stands for a loss where a program gives none: the score, turned."""
    if history["val_loss"].notna().any():
        return history
    return history.assign(val_loss=-history["val_score"])
