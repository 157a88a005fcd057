"""The documents of a text: a file, the lines of a .jsonl, the rows of a .parquet, or a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError

KEYED = (".jsonl", ".parquet")
"""Endings of files with many documents, of which ``data.text.key`` names the text."""
ENDINGS = (".txt", *KEYED)


def read(path: Path, key: str) -> list[str]:
    """Every document of a file, or of all the files of a folder and those below, by their names.

    Raises InputError for what cannot be read, naming the file and the line or column, and where
    there is no text in it.
    """
    documents = [text for file in files(path) for text in documents_of(file, key) if text]
    if not documents:
        raise InputError(f"data.path: '{path}' holds no text")
    return documents


def files(path: Path) -> list[Path]:
    """The file itself, or the files of the folder that hold documents."""
    if path.is_dir():
        found = sorted(
            file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file()
        )
        if not found:
            raise InputError(
                f"data.path: '{path}' holds no file that ends in {' or '.join(ENDINGS)}"
            )
        return found
    if not path.is_file():
        raise InputError(f"data.path: '{path}' does not exist")
    return [path]


def documents_of(file: Path, key: str) -> Iterator[str]:
    """The documents of one file: one, unless it is .jsonl or .parquet."""
    try:
        if file.suffix == ".parquet":
            yield from column(file, key)
        elif file.suffix == ".jsonl":
            with file.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield of_line(file, number, line, key)
        else:
            yield file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: byte {error.start} is no UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from None


def of_line(file: Path, number: int, line: str, key: str) -> str:
    """The text of a line of JSON."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{file}: line {number} is no JSON: {error.msg}") from None
    if not isinstance(record, dict) or not isinstance(record.get(key), str):
        raise InputError(f"{file}: line {number} has no text under data.text.key={key!r}")
    text = str(record[key])
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{file}: line {number} has half a character, which no text can have")
    return text


def column(file: Path, key: str) -> Iterator[str]:
    """The text of every row of a Parquet file, by row groups."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise InputError(f"{file}: is no Parquet file: {error}") from None
    if key not in table.schema_arrow.names:
        known = ", ".join(table.schema_arrow.names)
        raise InputError(f"data.text.key: {key!r} is no column of {file}, which has {known}")
    kind = table.schema_arrow.field(key).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"data.text.key: {key!r} of {file} holds {kind}, no text")
    for batch in table.iter_batches(columns=[key]):
        yield from (text or "" for text in batch.column(0).to_pylist())
