"""Who trains: a program that is called, or runs that exist."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from pipeline.outside.called import Called
from pipeline.outside.runs import Runs
from pipeline.outside.trainings import Tables, Timed
from pipeline.params.load import Params
from pipeline.workspace import files


class Trainer(Protocol):
    """What a study asks of whoever trains."""

    def packs(self) -> list[tuple[str, int]]:
        """The packs of the study, their batch sizes as numbers."""

    def pilot_run(self, variant: str, batch_size: Any) -> Path | None:
        """The folder of a pack's run where it was trained before a race."""

    def screened(self, variant: str, batch_size: Any) -> Tables:
        """The trainings of one pack that rates are chosen from."""

    def pilot(self, variant: str) -> int:
        """The batch size that a variant's automatic target comes from."""

    def fresh(self, chosen: pd.DataFrame, is_bounded: bool, /) -> Tables:
        """The trainings at a pack's chosen rates, the fastest first, that the intervals come from;
        whether they may end far beyond the target."""

    def clear(self) -> None:
        """Forget what a killed stage would have gone on with: all is written."""

    def timed(self) -> dict[tuple[str, int], list[Timed]]:
        """Seconds of a step by pack, measured several times; without those of packs of which they
        are not known."""


def of(params: Params) -> Trainer:
    """The trainer of params.yaml."""
    if params.trainer.name == "runs":
        return Runs(pd.read_parquet(files.PROCESSED_RUNS), params.trainer.train_examples)
    return Called.of(params)
