"""A user's own table as a data set: what is predicted, what is learnt from, and the split."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.data import splits
from pipeline.data.examples import FEW_VALUES, Array, Examples
from pipeline.data.prepared import Prepared
from pipeline.data.table import columns, encoding, file, leaks
from pipeline.data.table.columns import Column, Floats, Loaded, Survey
from pipeline.data.table.file import TableFile
from pipeline.errors import InputError, require
from pipeline.params.data import Data

DOUBLE_BYTES = 512 << 20
"""A larger table is kept in single precision."""


def prepare_table(data: Data, seed: int) -> Prepared:
    """Read, decide, split, and encode by the training rows.

    Raises InputError for whatever the file or the options get wrong.
    """
    table = opened(data)
    surveys = columns.surveyed(table)
    keys = key_columns(table, data, surveys)
    others = feature_columns(table, data, surveys)
    used = [column for column in others if column.kind != "dropped"]
    target, *rest = columns.load(table, places(keys, used, surveys))
    labels, classes, there = labelled(table, target)
    compared = [target, *rest[bool(data.split.by) :]]
    digest = leaks.digests(compared)
    known = len(there)
    if data.table.duplicates == "drop":
        there = leaks.first_of_equals(there, digest)
    distinct = len(there)
    there = there[splits.sampled(data.limit, labels[there], classes, seed)]
    if len(there) < distinct:
        splits.check_limit(data.limit, labels[there], classes)
    parts = split(data, rest.pop(0) if data.split.by else None, labels, classes, there, seed)
    encoded = [encoding.encode(column, parts["train"], data.table) for column in rest]
    if not any(column.features for column in encoded):
        raise InputError(f"{table.path}: no column has a value in the training rows")
    x = encoding.assembled(encoded, parts)
    by_name = {column.name: one for column, one in zip(used, encoded, strict=True)}
    task = "classification" if classes else "regression"
    examples = {name: Examples(x[name], labels[parts[name]]) for name in parts}
    names = [column.name for column in used]
    return Prepared(
        task=task,
        parts=examples,
        features=tuple(feature for column in encoded for feature in column.features),
        classes=classes,
        columns=tuple(
            replace(c, why=by_name[c.name].note) if c.name in by_name else c for c in others
        ),
        fitted={c.name: {"kind": c.kind, **by_name[c.name].fitted} for c in used},
        notes=row_notes(len(labels), known, distinct, len(there)),
        warnings=(
            *leaks.revealing_words(names, encoded, examples, task),
            *leaks.repeated_words(compared, parts, digest),
        ),
    )


def places(
    keys: list[Column], used: list[Column], surveys: Mapping[str, Survey]
) -> dict[Column, Floats]:
    """Arrays to read the columns into: those of features lie together, so that a large table's
    memory is given back at once."""
    rows = surveys[keys[0].name].rows
    dtype = np.float64 if 8 * rows * len(used) <= DOUBLE_BYTES else np.float32
    together = np.empty((len(used), rows), dtype)
    arrays: dict[Column, Floats] = {key: np.empty(rows) for key in keys}
    return arrays | dict(zip(used, together, strict=True))


def opened(data: Data) -> TableFile:
    """The file, which must have every column that the options name."""
    table = file.open_table(Path(str(data.path)), data.table)
    by = data.split.by
    named = {"data.target": [data.target], "data.split.by": [by] if by else []}
    named |= {"data.table.drop": data.table.drop, "data.table.categorical": data.table.categorical}
    columns.check_options(table, named)
    for name in (data.target, by):
        rule = "is needed: it is data.target or data.split.by"
        require(name not in data.table.drop, "data.table.drop", name, rule)
    return table


def key_columns(table: TableFile, data: Data, surveys: Mapping[str, Survey]) -> list[Column]:
    """The target, and the column that splits where there is one."""
    assert data.target is not None
    keys = [Column(data.target, target_kind(table, surveys[data.target], data))]
    by = data.split.by
    return [*keys, Column(by, split_kind(table, data, surveys[by]))] if by else keys


def feature_columns(table: TableFile, data: Data, surveys: Mapping[str, Survey]) -> list[Column]:
    """What every other column is taken for.

    Raises InputError where all of them are dropped.
    """
    features = [
        decided(table, name, surveys[name])
        for name in table.names
        if name not in (data.target, data.split.by)
    ]
    if all(column.kind == "dropped" for column in features):
        why = (
            "; ".join(f"{column.name!r}: {column.why}" for column in features)
            or "there is no other"
        )
        raise InputError(f"{table.path}: no column is left to learn from: {why}")
    return features


def decided(table: TableFile, name: str, survey: Survey) -> Column:
    """What a column is taken for; dates must be asked for."""
    column = columns.decided(table, name, survey)
    if column.kind == "date" and table.options.dates == "refuse":
        raise InputError(
            f"{table.path}: column {name!r} holds dates; data.table.dates=days makes them numbers, "
            f"data.table.drop=[{name}] leaves them out, data.split.by={name} splits by them"
        )
    return column


def target_kind(table: TableFile, survey: Survey, data: Data) -> str:
    """``number`` for regression, ``category`` for classes.

    Raises InputError for a target without values, with one value, or that does not fit the task.
    """
    where = f"{table.path}: target {data.target!r}"
    if survey.values == 0:
        raise InputError(f"{where}: every value is missing")
    if len(survey.distinct) == 1:
        raise InputError(f"{where}: its only value is {next(iter(survey.distinct))!r}")
    is_number = survey.numbers == survey.values
    is_named = data.target in data.table.categorical
    if data.task == "regression" and (not is_number or is_named):
        row, value = survey.odd or (None, next(iter(survey.distinct)))
        place = "" if row is None else f", row {table.first_row + row}"
        raise InputError(f"{where}{place}: {value!r} is no number, which regression needs")
    if not is_number and not is_named:
        columns.check_text(table, str(data.target), survey)
    if data.task == "auto" and is_number and not is_named:
        few = survey.whole == survey.numbers and len(survey.distinct) <= FEW_VALUES
        return "category" if few else "number"
    if not is_number and columns.is_names(survey):
        raise InputError(f"{where}: hardly a value is there twice: names are no classes")
    return "number" if data.task == "regression" else "category"


def split_kind(table: TableFile, data: Data, survey: Survey) -> str:
    """How the column that splits is read.

    Raises InputError for a missing value, and for a time that is neither number nor date.
    """
    where = f"{table.path}: data.split.by {data.split.by!r}"
    if survey.missing:
        raise InputError(f"{where}: {survey.missing:,} rows have no value")
    if data.split.kind == "group":
        return "category"
    if survey.values not in (survey.numbers, survey.dates):
        rule = f"holds {next(iter(survey.distinct))!r}, which is neither number nor ISO date"
        raise InputError(f"{where}: {rule}")
    return "date" if survey.dates == survey.values else "number"


def labelled(table: TableFile, target: Loaded) -> tuple[Array, tuple[str, ...], Array]:
    """Labels or targets of all rows, the classes' names in order, and the rows that have any."""
    if target.column.kind == "number":
        there = np.flatnonzero(~np.isnan(target.numbers))
        return target.numbers.astype(np.float64), (), there
    target = merged(target)
    places = target.numbers.astype(np.int64)
    order = sorted(range(len(target.levels)), key=lambda place: in_order(target.levels[place]))
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    names = tuple(target.levels[place] for place in order)
    if 2 * len(names) > len(places):
        rule = f"has {len(names):,} classes in {len(places):,} rows"
        raise InputError(f"{table.path}: target {target.column.name!r} {rule}")
    return rank[places], names, np.flatnonzero(places >= 0)


def merged(target: Loaded) -> Loaded:
    """Classes that are written differently as numbers, 1 and 1.0, as one."""
    try:
        values = [float(level) for level in target.levels]
    except ValueError:
        return target
    known = list(dict.fromkeys(values))
    names = tuple(target.levels[values.index(value)] for value in known)
    index = np.array([*(known.index(value) for value in values), -1], dtype=np.float64)
    return replace(target, numbers=index[target.numbers.astype(np.int64)], levels=names)


def in_order(level: str) -> tuple[float, str]:
    """Numbers by value, then text by letters."""
    try:
        return float(level), ""
    except ValueError:
        return float("inf"), level


def split(
    data: Data,
    by: Loaded | None,
    labels: Array,
    classes: Sequence[str],
    there: Array,
    seed: int,
) -> dict[str, Array]:
    """The parts' rows in the whole table; those without a target are in none."""
    known = labels[there]
    if by is None:
        parts = splits.drawn(data.split, known, classes, seed)
    else:
        if classes:
            splits.check_classes(known, classes)
        keys = by.numbers[there]
        if data.split.kind == "time":
            parts = splits.by_time(data.split, keys)
        else:
            parts = splits.by_group(data.split, keys, seed)
        absent = set(range(len(classes))) - set(known[parts["train"]].tolist())
        if absent:
            name = classes[min(absent)]
            raise InputError(f"data.split.by: class {name!r} has no row in the training part")
    return {name: there[rows] for name, rows in parts.items()}


def row_notes(rows: int, known: int, distinct: int, kept: int) -> tuple[str, ...]:
    """What happened to rows: how many there are, have a target, repeat no other, are kept."""
    lost = {
        "they have no target": rows - known,
        "they repeat another": known - distinct,
        "data.limit": distinct - kept,
    }
    return tuple(f"{n:,} of {rows:,} rows were left out: {why}" for why, n in lost.items() if n)
