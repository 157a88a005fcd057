"""Runs that exist already: one long table, a row for each evaluation of each training."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError, require
from pipeline.outside.curve import LOSSES, MEASURED, VALIDATION, numbers, place
from pipeline.outside.trainings import Tables, Timed, tables
from pipeline.params.trainer import Columns
from pipeline.selection.keys import CELL, PACK, RATE, rows_of

FEWEST_FRESH = 2
"""So many seeds give an interval."""


def read(path: Path, columns: Columns) -> pd.DataFrame:
    """A CSV or Parquet file as ``of_frame`` has it.

    Raises InputError naming file, row and rule.
    """
    require(path.is_file(), "trainer.path", str(path), "is no file")
    try:
        if path.suffix == ".parquet":
            raw = pd.read_parquet(path)
        else:
            raw = pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python")
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"trainer.path: {path} is not readable as a table: {reason}") from None
    try:
        return of_frame(raw, columns)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None


def of_frame(raw: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """A table of runs under this project's names: CELL, step and those of MEASURED that it has;
    sorted, a missing variant ``baseline``, a missing seed 0.

    Raises InputError for a column that is not there, and naming the row for a value that cannot be,
    a step that stands twice, and for runs of a single batch size.
    """
    names = {getattr(columns, each.name): each.name for each in fields(columns)}
    table = pd.DataFrame({name: raw[own] for own, name in names.items() if own in raw})
    for name in ("batch_size", "lr", "step"):
        own = getattr(columns, name)
        rule = f"is none of the columns {', '.join(map(str, raw.columns))}"
        require(name in table, f"trainer.columns.{name}", own, rule)
    if not set(VALIDATION) & set(table):
        both = " nor ".join(getattr(columns, name) for name in VALIDATION)
        raise InputError(f"has neither {both}: say what they are called (trainer.columns)")
    text = table.astype(object).where(table.notna(), "").astype(str)
    sound = pd.DataFrame({"variant": variants(text), "batch_size": whole(text, "batch_size", 1)})
    sound["lr"] = rates(text)
    sound["seed"] = whole(text, "seed", 0) if "seed" in text else 0
    sound["step"] = whole(text, "step", 0)
    double = sound.duplicated([*CELL, "step"])
    if double.any():
        row = sound[double].iloc[0]
        words = f"batch size {row['batch_size']}, rate {row['lr']:g}, seed {row['seed']}"
        seeds = "" if "seed" in text else "; runs that differ in a seed need a column for it"
        rule = f"step {row['step']} of {words} stands twice{seeds}"
        raise InputError(f"row {place(double)}: {rule}")
    for name in MEASURED:
        if name in text:
            sound[name] = numbers(text, name)
    sound = with_divergence(sound[sound["step"] >= 1]).sort_values(
        [*CELL, "step"], ignore_index=True
    )
    sizes = sound["batch_size"].unique()
    require(len(sizes) > 1, "batch_size", [int(size) for size in sizes], "is nothing to compare")
    return sound


def with_divergence(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with infinite losses where one goes on without any number at steps at which others
    of its pack have one: so a table says that a training diverged which cannot tell what is no
    number from what was not measured."""
    losses = [name for name in LOSSES if name in runs]
    said = [name for name in (*losses, "test_score") if name in runs]
    has_any = runs[said].notna().any(axis=1)
    last = runs["step"].where(has_any).groupby([runs[name] for name in CELL]).transform("max")
    of_pack = [runs[name] for name in (*PACK, "step")]
    evaluated = has_any.groupby(of_pack).transform("any")
    silent = ~has_any & evaluated & (runs["step"] > last.fillna(0))
    return runs.assign(**{name: runs[name].mask(silent, np.inf) for name in losses})


def whole(text: pd.DataFrame, name: str, least: int) -> "pd.Series[int]":
    """A column of whole numbers.

    Raises InputError naming the row.
    """
    values = pd.to_numeric(text[name], errors="coerce")
    bad = values.isna() | (values < least) | (values % 1 != 0)
    if bad.any():
        value = text[name][bad].iloc[0]
        rule = f"{name} {value!r} is no whole number from {least}"
        raise InputError(f"row {place(bad)}: {rule}")
    return values.astype("int64")


def rates(text: pd.DataFrame) -> "pd.Series[float]":
    """The column of learning rates.

    Raises InputError naming the row.
    """
    values = pd.to_numeric(text["lr"], errors="coerce")
    bad = ~((values > 0) & np.isfinite(values))
    if bad.any():
        rule = f"lr {text['lr'][bad].iloc[0]!r} is no finite rate above 0"
        raise InputError(f"row {place(bad)}: {rule}")
    return values


def variants(text: pd.DataFrame) -> "pd.Series[str]":
    """The column of variants as names of letters, digits and _, of digits not alone; an empty one
    is ``baseline``."""
    if "variant" not in text:
        return pd.Series("baseline", index=text.index)
    names = text["variant"].str.strip().str.replace(r"\W+", "_", regex=True).replace("", "baseline")
    return names.where(~names.str.isdigit(), "variant_" + names)


@dataclass(frozen=True)
class Runs:
    """A study of runs that exist. runs: ``of_frame``; examples: of an epoch, None for unknown."""

    runs: pd.DataFrame
    examples: int | None

    @cached_property
    def longest(self) -> "pd.Series[int]":
        """The last step of the longest run of each pack."""
        return self.runs.groupby(PACK)["step"].max().rename("steps")

    def packs(self) -> list[tuple[str, int]]:
        """All packs that have runs, sorted."""
        return sorted(self.runs[PACK].drop_duplicates().itertuples(index=False, name=None))

    def pilot_run(self, _variant: str, _batch_size: int) -> None:
        """There is no race among runs that exist."""

    def screened(self, variant: str, batch_size: int) -> Tables:
        """The runs of a pack that rates are chosen by: all, but those on ``fresh_seeds``."""
        pack = rows_of(self.runs, variant, batch_size)
        fresh = fresh_seeds(pack)
        if fresh:
            pack = pack[pack["seed"].isin(common_seeds(pack))]
        return self.tables(pack, "screen")

    def pilot(self, variant: str) -> int:
        """The batch size whose longest run takes the fewest examples, the largest of equals."""
        steps = self.longest[variant]
        examples = pd.Series(steps.index * steps.to_numpy(), index=steps.index)
        return int(examples[::-1].idxmin())

    def fresh(self, chosen: pd.DataFrame, _is_bounded: bool = False) -> Tables:
        """The runs of a pack's chosen rates, rows of the selection, the fastest first, that
        intervals come from: those on ``fresh_seeds``, of the rates that have any, if the fastest
        does; else all."""
        pack = rows_of(self.runs, str(chosen["variant"].iloc[0]), int(chosen["batch_size"].iloc[0]))
        rates = list(chosen["lr"])
        fastest = rates[0]
        fresh = fresh_seeds(pack)
        runs = pack[pack["lr"].isin(rates)]
        if fastest in fresh:
            seeds = runs["lr"].map(lambda lr: fresh.get(lr, set()))
            own = [seed in of for seed, of in zip(runs["seed"], seeds, strict=True)]
            runs = runs[own]
        return self.tables(runs, "confirm")

    def clear(self) -> None:
        """Nothing is kept that could be forgotten."""

    def timed(self) -> dict[tuple[str, int], list[Timed]]:
        """Seconds of a step at every pack, one from each run that tells them at two steps."""
        if "seconds" not in self.runs:
            return {}
        known = self.runs.dropna(subset=["seconds"]).groupby(CELL)[["step", "seconds"]]
        passed = known.last() - known.first()
        is_known = (passed["step"] > 0) & (passed["seconds"] > 0)
        of_runs = (passed["seconds"] / passed["step"])[is_known]
        return {pack: [Timed(each) for each in rows] for pack, rows in of_runs.groupby(PACK)}

    def tables(self, curves: pd.DataFrame, phase: str) -> Tables:
        """The tables of some runs: what ends before the longest of its pack was stopped."""
        cells = curves.groupby(CELL)["step"].max().rename("last").reset_index()
        cells = cells.merge(self.longest, on=PACK).assign(phase=phase)
        cells["is_stopped"] = cells["last"] < cells["steps"]
        return tables(curves, cells.drop(columns="last"), self.examples)


def common_seeds(pack: pd.DataFrame) -> set[int]:
    """The seeds that all rates of a pack have."""
    by_rate = pack.groupby("lr")["seed"].agg(set)
    return set.intersection(*by_rate) if len(by_rate) else set()


def fresh_seeds(pack: pd.DataFrame) -> dict[float, set[int]]:
    """By rate, the seeds that need not choose it: those beyond what all rates of the pack have,
    where these are FEWEST_FRESH at least. None where rates share no seed, or there is one rate."""
    common = common_seeds(pack)
    if not common:
        return {}
    own = {float(lr): set(seeds) - common for lr, seeds in pack.groupby("lr")["seed"]}
    return {lr: seeds for lr, seeds in own.items() if len(seeds) >= FEWEST_FRESH}


@dataclass(frozen=True)
class Has:
    """What a table of runs has, as the keys of the grid; seeds: the most of a rate."""

    variant: list[str]
    batch_size: list[int]
    lr: list[float]
    seeds: int


def grid(runs: pd.DataFrame) -> Has:
    """What a table of runs has."""
    return Has(
        sorted(set(runs["variant"])),
        sorted(int(size) for size in set(runs["batch_size"])),
        sorted(float(lr) for lr in set(runs["lr"])),
        int(runs.groupby(RATE)["seed"].nunique().max()),
    )
