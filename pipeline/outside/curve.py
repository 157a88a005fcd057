"""What one training says of itself: a table of steps, and what was measured after each."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError

VALIDATION = ("val_loss", "val_score")
"""One of these there must be."""
MEASURED = (*VALIDATION, "train_loss", "test_score", "seconds")
LOSSES = ("val_loss", "val_score", "train_loss")
"""A training whose value here is no number, or no finite one, has diverged."""


class CurveError(InputError):
    """A table that is no training: the message names the row and the rule."""


def read(path: Path) -> pd.DataFrame:
    """The table that a program wrote, a CSV or lines of JSON, as ``checked`` has it.

    Raises CurveError where it is missing, not whole, or no curve.
    """
    if not path.is_file():
        raise CurveError("wrote no table to {out}")
    try:
        return of_text(path.read_text())
    except UnicodeDecodeError:
        raise CurveError("wrote a table that is no UTF-8 text") from None


def so_far(path: Path) -> pd.DataFrame | None:
    """What a program has written so far of its table, as ``checked`` has it, the last line only if
    it is whole; None where that is no curve yet."""
    try:
        text = path.read_text()
        table = of_text(text[: text.rfind("\n") + 1])
    except (OSError, UnicodeDecodeError, CurveError):
        return None  # whatever is wrong shows when the program has ended
    return None if table.empty else table


def of_text(text: str) -> pd.DataFrame:
    """The table that a CSV or lines of JSON hold."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise CurveError("wrote an empty table to {out}")
    return checked(from_json(lines) if lines[0].lstrip().startswith("{") else from_csv(lines))


def check_metric(table: pd.DataFrame, metric: str) -> None:
    """Refuse a table without what the target is a value of.

    Raises InputError.
    """
    if metric not in table or table[metric].isna().all():
        other = next(name for name in VALIDATION if name != metric)
        has_other = other in table and table[other].notna().any()
        more = f", but {other} is: target.metric={other} counts that" if has_other else ""
        rule = f"is in no row{more}"
        raise InputError(f"target.metric: {metric!r} {rule}")


def from_json(lines: list[str]) -> pd.DataFrame:
    """Lines of JSON as a table of text; what a line does not have is empty."""
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            raise CurveError(f"row {number}: {line[:60]!r} is no JSON object")
        rows.append({name: "" if value is None else str(value) for name, value in row.items()})
    return pd.DataFrame(rows).fillna("")


def from_csv(lines: list[str]) -> pd.DataFrame:
    """Lines of a CSV as a table of text."""
    names, *rows = csv.reader(lines)
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise CurveError(f"row {number}: {len(row)} values for {len(names)} columns")
    return pd.DataFrame(rows, columns=[name.strip() for name in names], dtype=str)


def checked(raw: pd.DataFrame) -> pd.DataFrame:
    """A table of text as step (int64) and those of MEASURED that it has (float64; NaN where a row
    is empty), without rows before the first step.

    Raises CurveError for a missing column, and naming the row for what is no number, no step, or
    not later than the row before.
    """
    if "step" not in raw:
        raise CurveError(f"has no column step, only {', '.join(map(str, raw.columns))}")
    if not set(VALIDATION) & set(raw.columns):
        raise CurveError(f"has neither val_loss nor val_score, only {', '.join(raw.columns)}")
    table = pd.DataFrame({"step": numbers(raw, "step")})
    odd = ~(table["step"] >= 0) | (table["step"] % 1 != 0)
    if odd.any():
        raise CurveError(f"row {place(odd)}: step {raw['step'][odd].iloc[0]!r} is no whole number")
    late = table["step"].diff() <= 0
    if late.any():
        before = table["step"].iloc[place(late) - 2]
        now = table["step"][late].iloc[0]
        raise CurveError(f"row {place(late)}: step {now:.0f} is not after step {before:.0f}")
    for name in MEASURED:
        if name in raw:
            table[name] = numbers(raw, name)
    return table[table["step"] >= 1].astype({"step": "int64"}).reset_index(drop=True)


def numbers(raw: pd.DataFrame, name: str) -> "pd.Series[float]":
    """A column of text as numbers; an empty value is NaN, and one of LOSSES that says so is
    infinite: the training had no number there."""
    text = raw[name].astype(str).str.strip()
    values = pd.to_numeric(text, errors="coerce")
    is_empty, says_nan = text == "", text.str.lower().isin(["nan", "-nan", "none", "null"])
    bad = values.isna() & ~is_empty & ~says_nan
    if bad.any():
        raise CurveError(f"row {place(bad)}: {name} {text[bad].iloc[0]!r} is no number")
    return values.mask(says_nan, np.inf if name in LOSSES else np.nan).astype(float)


def place(marked: "pd.Series[bool]") -> int:
    """The number of the first marked row, from 1."""
    return int(np.flatnonzero(marked)[0]) + 1


def with_seconds(table: pd.DataFrame) -> pd.DataFrame:
    """The rows at which the program tells its seconds."""
    return table.dropna(subset=["seconds"]) if "seconds" in table else table[:0]


def diverged_step(curve: pd.DataFrame) -> int | None:
    """The first step at which a loss or score is infinite; None for none."""
    lost = np.isinf(curve[[name for name in LOSSES if name in curve]]).any(axis=1)
    return int(curve.loc[lost, "step"].iloc[0]) if lost.any() else None


def check_length(curve: pd.DataFrame, steps: int) -> None:
    """Refuse a curve that ends before its budget, by more than its evaluations are apart.

    Raises CurveError.
    """
    if diverged_step(curve) is not None:
        return
    if curve.empty:
        raise CurveError("has no row from step 1 on")
    last = curve["step"].iloc[-1]
    gap = last - (curve["step"].iloc[-2] if len(curve) > 1 else 0)
    if last + gap <= steps:
        raise CurveError(f"ends at step {last} of {steps}")
