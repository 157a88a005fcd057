"""Tables in files, prepared or refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data import preparation
from pipeline.data.prepared import Prepared
from pipeline.errors import InputError
from pipeline.params.data import Data, Split, Table

ROWS = 60


SHARES = Split()


def csv(names: str, row: Callable[[int], str], rows: int = ROWS) -> str:
    """A header and so many rows."""
    return "".join(f"{line}\n" for line in [names, *map(row, range(rows))])


PLAIN = csv("a,b,y", lambda k: f"{k % 7},{k * 0.5},{'uvw'[k % 3]}")


def write(folder: Path, content: str | bytes, name: str = "own.csv") -> Path:
    """Write a file and say where it lies."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def prepared(path: Path, task: str = "auto", split: Split = SHARES, **keys: object) -> Prepared:
    """A table whose target is ``y``, prepared; keys are those of ``data.table``."""
    table = Table(**keys)  # type: ignore[arg-type]
    return preparation.prepare(Data("table", str(path), "y", task, split, table), 0)


def kinds(found: Prepared) -> dict[str, str]:
    """What each column was taken for."""
    return {column.name: column.kind for column in found.columns}


def refused(path: Path, rule: str, *asked: object, **keys: object) -> None:
    """The table is refused in one line that matches ``rule``."""
    with pytest.raises(InputError, match=rule) as error:
        prepared(path, *asked, **keys)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
