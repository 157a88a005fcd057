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
from pipeline.params.data import Table

BLOCK_BYTES = 1 << 22
BATCH_ROWS = 1 << 16
HEAD_BYTES = 1 << 22
SEPARATORS = ",;\t|"
MISSING = [*pyarrow.csv.ConvertOptions().null_values, "?"]
"""The texts that stand for no value: empty, NA, N/A, NaN, null, NULL, ? and the like."""
PARQUET = (".parquet", ".pq")
CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


@dataclass(frozen=True)
class TableFile:
    """A file that can be read again and again.

    first_row: the number of its first row of data, as a person counts: after a header it is 2.
    skipped: lines before the header.
    """

    path: Path
    options: Table
    names: tuple[str, ...]
    separator: str | None
    first_row: int
    skipped: int = 0

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        """The columns as trimmed text by name, batch by batch; missing values are null.

        Raises InputError for a row or a value that does not fit, naming it.
        """
        is_text = self.separator is not None
        with reading(self.path, self.options, self.names):
            for batch in self._csv() if is_text else self._parquet():
                yield {
                    name: self._column(name, batch.column(place))
                    for place, name in enumerate(self.names)
                }

    def _column(self, name: str, values: pa.Array) -> pa.Array:
        """A column's values; nothing of one that is to be left out, whatever it holds."""
        if name in self.options.drop:
            return pa.nulls(len(values))
        return as_text(values, self.path, name)

    def _csv(self) -> Iterator[pa.RecordBatch]:
        read = pyarrow.csv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, encoding=self.options.encoding,
            column_names=list(self.names), skip_rows=self.skipped, skip_rows_after_names=1,
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
            names = pyarrow.parquet.read_schema(path).names
            check_names(path, names)
            return TableFile(path, options, tuple(names), None, 1)
        if path.name.lower().endswith(CSV):
            return csv_table(path, options)
        endings = ", ".join((*CSV, *PARQUET))
        raise InputError(f"data.path: '{path}' ends in none of {endings}")


def check_names(path: Path, names: list[str]) -> None:
    """Refuse names given twice."""
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: column {name!r} is there {names.count(name)} times")


def csv_table(path: Path, options: Table) -> TableFile:
    """A CSV by its first lines: a column without a name gets its number, and Excel's line ``sep=;``
    tells the separator."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if b"\0" in head and not options.encoding.lower().startswith("utf-16"):
        raise InputError(f"{path}: holds zero bytes: it is no text, or not in {options.encoding}")
    text = io.TextIOWrapper(io.BytesIO(head), options.encoding, "ignore").read().lstrip("\ufeff")
    hint = re.match(r"sep=(.)\r?\n", text)
    text = text[hint.end() :] if hint else text
    if not text.split("\n", 1)[0].strip():
        raise InputError(f"{path}: its first line, where the names of columns belong, is empty")
    asked = hint[1] if hint and options.separator == "auto" else options.separator
    separator = likely_separator(text) if asked == "auto" else asked
    names = [
        " ".join(name.split()) or f"column {place}"
        for place, name in enumerate(fields(text, separator), 1)
    ]
    check_names(path, names)
    return TableFile(path, options, tuple(names), separator, 2 + bool(hint), int(bool(hint)))


def fields(text: str, separator: str) -> list[str]:
    """The first record's fields; quotes may hold separators and line breaks."""
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def likely_separator(text: str) -> str:
    """The one of the common separators that splits the header into the most names."""
    return max(SEPARATORS, key=lambda separator: len(fields(text, separator)))


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
        message = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {message}") from None


def mended(message: str, options: Table, names: tuple[str, ...]) -> str:
    """Arrow's message with the column's name and what to do about it."""
    column = re.search(r"In CSV column #(\d+): ?", message)
    if column and int(column[1]) < len(names):
        message = message.replace(column[0], f"column {names[int(column[1])]!r}: ")
    if "UTF8" in message or "codec" in message or "utf" in message.lower():
        return f"{message}; data.table.encoding is {options.encoding!r}, latin-1 is common too"
    return message.removeprefix("CSV parse error: ")


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
    rule = "which is neither number nor text; data.table.drop leaves it out"
    raise InputError(f"{path}: column {name!r} holds {kind}, {rule}")
