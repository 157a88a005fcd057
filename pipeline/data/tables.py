"""A table file as batches of text columns, whatever its format; nothing of it is guessed twice.

CSV (any separator, encoding, .gz) and Parquet are read by Arrow, a few megabytes at a time.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pipeline.errors import InputError
from pipeline.params import Table

BLOCK_BYTES = 1 << 22
BATCH_ROWS = 1 << 16
HEAD_BYTES = 1 << 16
SEPARATORS = ",;\t|"
MISSING = [*pyarrow.csv.ConvertOptions().null_values, "?", "None", "none"]
PARQUET = (".parquet", ".pq")
CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


@dataclass(frozen=True)
class TableFile:
    """A file that can be read again and again.

    first_row: the number of its first row of data, as a person counts: after a header it is 2.
    """

    path: Path
    options: Table
    names: tuple[str, ...]
    separator: str | None
    first_row: int

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        """The columns as trimmed text by name, batch by batch; missing values are null.

        Raises InputError for a row or a value that does not fit, naming it.
        """
        is_text = self.separator is not None
        with reading(self.path, self.options, self.names):
            for batch in self._csv() if is_text else self._parquet():
                yield {
                    name: as_text(batch.column(place), self.path, name)
                    for place, name in enumerate(self.names)
                }

    def _csv(self) -> Iterator[pa.RecordBatch]:
        read = pyarrow.csv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, encoding=self.options.encoding,
            column_names=list(self.names), skip_rows=1,
        )  # fmt: skip
        parse = pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True)
        texts = dict.fromkeys(self.names, pa.string())
        convert = pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
        yield from pyarrow.csv.open_csv(self.path, read, parse, convert)

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        yield from pyarrow.parquet.ParquetFile(self.path).iter_batches(BATCH_ROWS)


def open_table(path: Path, options: Table) -> TableFile:
    """Look at a file's ending and header.

    Raises InputError for a file that is absent, unreadable, empty, not what its ending says, or
    with columns of no or the same name.
    """
    with reading(path, options, ()):
        if not path.exists():
            raise InputError(f"data.path: '{path}' does not exist")
        if path.is_dir():
            raise InputError(f"data.path: '{path}' is a folder; data=table reads one file")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty")
        if path.name.lower().endswith(PARQUET):
            names, separator, first_row = pyarrow.parquet.read_schema(path).names, None, 1
        elif path.name.lower().endswith(CSV):
            names, separator = header(path, options)
            first_row = 2
        else:
            endings = ", ".join((*CSV, *PARQUET))
            raise InputError(f"data.path: '{path}' ends in none of {endings}")
    check_names(path, names)
    return TableFile(path, options, tuple(names), separator, first_row)


def check_names(path: Path, names: list[str]) -> None:
    """Refuse columns without a name, and names given twice."""
    for place, name in enumerate(names, 1):
        if not name:
            raise InputError(f"{path}: column {place} has no name in the header")
        if names.count(name) > 1:
            raise InputError(f"{path}: column {name!r} is there {names.count(name)} times")


def header(path: Path, options: Table) -> tuple[list[str], str]:
    """The names in a CSV's first line, and its separator."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if b"\0" in head and not options.encoding.lower().startswith("utf-16"):
        raise InputError(f"{path}: holds zero bytes: it is no text, or not in {options.encoding}")
    text = io.TextIOWrapper(io.BytesIO(head), options.encoding, "ignore").read().lstrip("\ufeff")
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise InputError(f"{path}: its first line, where the names of columns belong, is empty")
    separator = options.separator if options.separator != "auto" else likely_separator(lines)
    return [name.strip() for name in next(csv.reader(lines, delimiter=separator))], separator


def likely_separator(lines: list[str]) -> str:
    """The one of the common separators that splits the header into the most names."""
    counts = {
        own: len(next(csv.reader(lines, delimiter=own))) if own in lines[0] else 0
        for own in SEPARATORS
    }
    return max(counts, key=lambda own: counts[own])


@contextmanager
def reading(path: Path, options: Table, names: tuple[str, ...]) -> Iterator[None]:
    """Turn what Arrow and the system say about a file into one line for the user."""
    try:
        yield
    except (UnicodeError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: {mended(str(error), options, names)}") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path}: is not what its ending says: {error}") from None
    except (OSError, pa.ArrowException, csv.Error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {said}") from None


def mended(said: str, options: Table, names: tuple[str, ...]) -> str:
    """Arrow's message with the column's name and what to do about it."""
    column = re.search(r"In CSV column #(\d+): ?", said)
    if column and int(column[1]) < len(names):
        said = said.replace(column[0], f"column {names[int(column[1])]!r}: ")
    if "UTF8" in said or "codec" in said or "utf" in said.lower():
        return f"{said}; data.table.encoding is {options.encoding!r}, latin-1 is common too"
    return said.removeprefix("CSV parse error: ")


def as_text(column: pa.Array, path: Path, name: str) -> pa.Array:
    """A column as trimmed strings, null where a value is missing; numbers, dates and booleans of
    a typed file stay what they are."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        trimmed = pc.utf8_trim_whitespace(column)
        return pc.if_else(
            pc.is_in(trimmed, pa.array(MISSING, kind)), pa.scalar(None, kind), trimmed
        )
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"), safe=False)
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column
    raise InputError(f"{path}: column {name!r} holds {kind}, which is neither number nor text")
