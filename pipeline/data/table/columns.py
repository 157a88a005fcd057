"""What each column of a table is: numbers, flags, dates, categories, or nothing to learn from.

A first pass over the file surveys every column, a second one loads those that are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.examples import FEW_VALUES
from pipeline.data.table.file import TableFile
from pipeline.errors import InputError, require
from pipeline.params.data import Table

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
INFINITE = r"^[+-]?(inf|Inf|INF|infinity|Infinity)$"
FLAGS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
DATE = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?$"
ZONE = r"[ T].*(Z|[+-]\d\d:?\d\d)$"
LIKE_DATE = r"^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}( .*)?$"
LIKE_NUMBER = r"^[(]?[+−-]?[$€£]?\d[\d.,  ']*[%€$£]?[)]?$"
"""What a person reads as a number: thousands, another decimal separator, per cent, money."""
MOSTLY = 0.5
"""A text column of which a larger share are numbers is taken for numbers with mistakes."""
DISTINCT_SHARE = 0.95
WATCHED = 10_000
"""Of how many values the distinct ones are remembered, to tell names from categories."""
ASKED_FOR = "asked for"
LARGEST = 1e30
"""Of any number: its square is still finite in double precision, itself in single."""
NANOSECONDS_PER_DAY = 86_400e9
Floats = npt.NDArray[np.floating[Any]]


@dataclass
class Survey:
    """What was seen of one column so far.

    numbers, flags, dates, whole: how many of its values read as such; odd: the first row and value
    that is no number; distinct: those of the first ``watched`` values, and of all while they are
    few.
    """

    rows: int = 0
    missing: int = 0
    numbers: int = 0
    like_numbers: int = 0
    like_dates: int = 0
    flags: int = 0
    dates: int = 0
    whole: int = 0
    infinite_row: int | None = None
    odd: tuple[int, str] | None = None
    least: float = np.inf
    most: float = -np.inf
    distinct: set[Any] = field(default_factory=set)
    watched: int = 0

    @property
    def values(self) -> int:
        """How many are not missing."""
        return self.rows - self.missing

    def add(self, column: pa.Array, options: Table) -> None:
        """Count one more batch of the column's values."""
        values = column.drop_null()
        kind = column.type
        if pa.types.is_timestamp(kind):
            self.dates += len(values)
        elif pa.types.is_boolean(kind):
            self.flags += len(values)
        elif pa.types.is_floating(kind):
            self._add_numbers(column, values)
        elif len(values):
            self._add_text(column, values, options)
        seen = values[: max(0, WATCHED - self.watched)]
        self.watched += len(seen)
        self.distinct |= set(seen.unique().to_pylist())
        if len(self.distinct) <= FEW_VALUES:  # a few values may be all there are, or the first
            self.distinct |= set(values[len(seen) :].unique()[: FEW_VALUES + 1].to_pylist())
        self.rows += len(column)
        self.missing += column.null_count

    def _add_numbers(self, column: pa.Array, values: pa.Array) -> None:
        infinite = pc.fill_null(pc.is_inf(column), False)
        if self.infinite_row is None and pc.any(infinite).as_py():
            self.infinite_row = self.rows + pc.index(infinite, True).as_py()
        self.numbers += len(values)
        if len(values):
            self.whole += pc.sum(pc.equal(pc.floor(values), values)).as_py()
            bounds = pc.min_max(values).as_py()
            self.least = min(self.least, bounds["min"])
            self.most = max(self.most, bounds["max"])

    def _add_text(self, column: pa.Array, values: pa.Array, options: Table) -> None:
        fits = pc.match_substring_regex(with_point(column, options), f"{NUMBER}|{INFINITE}")
        numbers = pc.sum(fits).as_py() or 0
        if numbers == len(values):
            self._add_numbers(*(parsed(texts, options) for texts in (column, values)))
            return
        self.numbers += numbers
        if self.odd is None:
            place = pc.index(fits, False).as_py()
            self.odd = (self.rows + place, column[place].as_py())
        low = pc.utf8_lower(values)
        self.flags += pc.sum(pc.is_in(low, pa.array(FLAGS, values.type))).as_py()
        self.dates += matching(values, DATE)
        self.like_numbers += matching(values, LIKE_NUMBER)
        self.like_dates += matching(values, LIKE_DATE)


def matching(values: pa.Array, pattern: str) -> int:
    """How many of the texts match."""
    return int(pc.sum(pc.match_substring_regex(values, pattern)).as_py())


def with_point(column: pa.Array, options: Table) -> pa.Array:
    """Texts of numbers with a point, whatever their decimal separator; of another one a point is
    no part of a number."""
    if options.decimal == ".":
        return column
    return pc.replace_substring(pc.replace_substring(column, ".", "point"), ",", ".")


def parsed(column: pa.Array, options: Table) -> pa.Array:
    """Texts that all are numbers as float64."""
    return with_point(column, options).cast(pa.float64())


@dataclass(frozen=True)
class Column:
    """One column and what it is taken for.

    kind: ``number``, ``flag``, ``date``, ``category``; or ``dropped``, and ``why``.
    """

    name: str
    kind: str
    why: str = ""
    missing: int = 0


def surveyed(table: TableFile) -> dict[str, Survey]:
    """Every column's survey.

    Raises InputError for a table without rows, and for an infinite value.
    """
    surveys = {name: Survey() for name in table.names}
    for batch in table.batches():
        for name, column in batch.items():
            surveys[name].add(column, table.options)
    for name, survey in surveys.items():
        if survey.rows == 0:
            raise InputError(f"{table.path}: has a header and no rows")
        if survey.infinite_row is not None:
            row = table.first_row + survey.infinite_row
            raise InputError(f"{table.path}: column {name!r}, row {row}: is infinite")
        for value in (survey.least, survey.most):
            if np.isfinite(value) and abs(value) > LARGEST:
                rule = f"holds {value:g}, beyond {LARGEST:g}"
                raise InputError(f"{table.path}: column {name!r}: {rule}")
    return surveys


def decided(table: TableFile, name: str, survey: Survey) -> Column:
    """What a column is taken for.

    Raises InputError for a column of numbers and other text.
    """
    why = why_dropped(table, name, survey)
    kind = "dropped" if why else kind_of(table, name, survey)
    if kind == "category" and name not in table.options.categorical and is_names(survey):
        kind, why = "dropped", "like an ID: hardly a value is there twice"
    elif kind == "number" and is_counter(survey):
        kind, why = "dropped", "like an ID: it counts the rows"
    return Column(name, kind, why, 0 if why == ASKED_FOR else survey.missing)


def why_dropped(table: TableFile, name: str, survey: Survey) -> str:
    """Why nothing can be learnt from a column, whatever its kind; nothing where something can."""
    if name in table.options.drop:
        return ASKED_FOR
    if survey.values == 0:
        return "every value is missing"
    if len(survey.distinct) == 1:
        return f"its only value is {next(iter(survey.distinct))!r}"
    return ""


def kind_of(table: TableFile, name: str, survey: Survey) -> str:
    """number, flag, date or category."""
    if name in table.options.categorical:
        return "category"
    if survey.numbers == survey.values:
        return "number"
    if survey.flags == survey.values:
        return "flag"
    if survey.dates == survey.values:
        return "date"
    check_text(table, name, survey)
    return "category"


def check_text(table: TableFile, name: str, survey: Survey) -> None:
    """Refuse texts that a person would read as numbers or dates."""
    if survey.odd is None:
        return
    row, value = survey.odd
    where = f"{table.path}: column {name!r}, row {table.first_row + row}: {value!r}"
    otherwise = "name the column in data.table.categorical or data.table.drop"
    if survey.numbers > MOSTLY * survey.values:
        count = f"{survey.numbers:,} of {survey.values:,} are"
        raise InputError(f"{where} is no number, and {count}; mend it, or {otherwise}")
    if survey.dates + survey.like_dates > MOSTLY * survey.values:
        raise InputError(f"{where} is like a date, and no ISO date; mend it, or {otherwise}")
    if survey.numbers + survey.like_numbers > MOSTLY * survey.values:
        rule = f"data.table.decimal is {table.options.decimal!r}"
        raise InputError(f"{where} is like a number, and none: {rule}; mend it, or {otherwise}")


def is_names(survey: Survey) -> bool:
    """Whether a text column names its rows rather than groups them."""
    return len(survey.distinct) > DISTINCT_SHARE * survey.watched


def is_counter(survey: Survey) -> bool:
    """Whether numbers count the rows, in any order."""
    whole = survey.missing == 0 and survey.whole == survey.rows
    return (
        whole
        and len(survey.distinct) == survey.watched
        and survey.most - survey.least == survey.rows - 1
    )


def check_options(table: TableFile, wanted: Mapping[str, Any]) -> None:
    """Refuse options that name a column the table lacks; ``wanted``: lists of names by key."""
    known = ", ".join(table.names)
    for key, names in wanted.items():
        for name in names:
            require(name in table.names, key, name, f"is no column of {table.path}: {known}")


@dataclass(frozen=True)
class Loaded:
    """One column's values.

    numbers: float (rows,), NaN where missing; of a category the place in ``levels``, -1 where
    missing.
    """

    column: Column
    numbers: Floats
    levels: tuple[str, ...] = ()


def load(table: TableFile, into: Mapping[Column, Floats]) -> list[Loaded]:
    """Fill the given arrays, (rows,), with these columns' values; the table is read once."""
    levels: dict[Column, dict[str, int]] = {column: {} for column in into}
    start = 0
    for batch in table.batches():
        for column, place in into.items():
            try:
                values = values_of(batch[column.name], column, levels[column], table.options)
            except pa.ArrowInvalid as error:  # 2020-13-45 looks like a date
                raise InputError(f"{table.path}: column {column.name!r}: {error}") from None
            place[start : start + len(values)] = values
        start += len(values)
    return [Loaded(column, place, tuple(levels[column])) for column, place in into.items()]


def values_of(values: pa.Array, column: Column, levels: dict[str, int], options: Table) -> Floats:
    """One batch of a column as floats; new levels of a category are added."""
    if column.kind == "category":
        return coded(values, levels)
    return numbers(values, column.kind, options)


def numbers(values: pa.Array, kind: str, options: Table) -> Floats:
    """Numbers, flags as 0 and 1, or dates as days since 1970; NaN where missing."""
    if kind == "date":
        nanos = instants(values).cast(pa.int64()).cast(pa.float64(), safe=False)
        return plain(nanos) / NANOSECONDS_PER_DAY
    if kind == "flag" and not pa.types.is_boolean(values.type):
        low = pc.utf8_lower(values)
        is_on = pc.is_in(low, pa.array([name for name, on in FLAGS.items() if on], low.type))
        return plain(pc.if_else(pc.is_valid(low), is_on, None).cast(pa.float64()))
    if pa.types.is_string(values.type):
        return plain(parsed(values, options))
    return plain(values.cast(pa.float64()))


def instants(values: pa.Array) -> pa.Array:
    """Dates and times, with or without a zone, in UTC."""
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("ns"))
    has_zone = pc.fill_null(pc.match_substring_regex(values, ZONE), False)
    nothing = pa.scalar(None, values.type)
    zoned = pc.if_else(has_zone, values, nothing).cast(pa.timestamp("ns", "UTC"))
    bare = pc.if_else(has_zone, nothing, values).cast(pa.timestamp("ns"))
    return pc.coalesce(zoned.cast(pa.timestamp("ns")), bare)


def plain(column: pa.Array) -> Floats:
    """An Arrow column of float64 as numpy's, NaN where missing."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def coded(values: pa.Array, known: dict[str, int]) -> Floats:
    """Each value's place among the levels, which grow as new ones come; -1 where missing."""
    encoded = values.cast(pa.string()).dictionary_encode()
    places = [known.setdefault(level, len(known)) for level in encoded.dictionary.to_pylist()]
    index = encoded.indices.fill_null(-1).to_numpy()
    return np.asarray([*places, -1], dtype=np.float64)[index]
