"""Where every stage's files lie, and how they are written: whole or not at all."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.params.load import Params

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PARAMS = Path("params.yaml")
PROCESSED = Path("data/processed")
PROCESSED_RUNS = PROCESSED / "runs.parquet"
RUNS = Path("runs")
RESULTS = Path("results")
PILOTS = RESULTS / "pilots"
WATCHED = RESULTS / "watched"
INPUTS = RESULTS / "inputs"
OVERRIDES = RESULTS / "overrides.json"
REPORTS = Path("reports")
MACHINES = Path("machines")
CHECKPOINTS = Path("checkpoints")
COMPILED = Path(".cache/inductor")


def run_folder(variant: str, batch_size: int | str) -> Path:
    """The folder of one (variant, batch size)."""
    return RUNS / f"{variant}-{batch_size}"


def pilot_folder(variant: str, examples: int) -> Path:
    """The folder of a run that came before the race, by its batch size as a number."""
    return PILOTS / variant / str(examples)


def runs(params: Params, name: str) -> "pd.DataFrame":
    """One table of all packs that params.yaml names, and of no other."""
    import pandas as pd

    folders = [run_folder(*pack) for pack in params.packs()]
    for folder in folders:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: missing; `dvc repro` trains it")
    return pd.concat([pd.read_parquet(folder / name) for folder in folders], ignore_index=True)


def failed(params: Params) -> "pd.DataFrame":
    """The cells that packs lost, of those that tell."""
    import pandas as pd

    tables = [run_folder(*pack) / "failed.csv" for pack in params.packs()]
    return pd.concat([pd.DataFrame(), *(pd.read_csv(path) for path in tables if path.is_file())])


def of_trainings(params: Params) -> list[Path]:
    """What trainings read: the processed data, and networks of the user's own."""
    return [*sorted(PROCESSED.iterdir()), *params.own_networks]


def digest(places: Iterable[Path]) -> str:
    """The MD5 of names and contents of files, and of all in folders but what Python leaves there;
    of a place that is not there nothing."""
    whole = hashlib.md5(usedforsecurity=False)
    for place in sorted(set(places)):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                whole.update(f"{path.as_posix()}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def watched(name: str) -> Path:
    """Where it is noted what a file or folder of the user's holds."""
    return WATCHED / f"{name.lstrip('/')}.md5"


def _write(path: Path, fill: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        fill(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    _write(path, lambda place: place.write_text(text))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    _write(path, lambda place: place.write_bytes(content))


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, keys in the order given; NaN is refused by ValueError."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a CSV atomically, floats as their shortest exact text."""
    _write(path, lambda place: table.to_csv(place, index=False, lineterminator="\n"))


def write_parquet(path: Path, table: "pd.DataFrame") -> None:
    """Write a parquet file atomically."""
    _write(path, lambda place: table.to_parquet(place, index=False))


TENSOR_TYPES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "int16": "I16", "uint16": "U16", "float16": "F16",
    "int32": "I32", "uint32": "U32", "float32": "F32", "float64": "F64", "int64": "I64",
    "uint64": "U64",
}  # fmt: skip
"""Safetensors' names of numpy's types, in the order that the library sorts by."""
CHUNK_BYTES = 1 << 24


def write_tensors(path: Path, tensors: "Mapping[str, np.ndarray]") -> None:
    """Write named arrays as safetensors, atomically and a few megabytes at a time; the bytes are
    those that the library writes, which would hold a copy of all. An array need not be one: it is
    asked for its shape, its type and slices."""
    kinds = list(TENSOR_TYPES)
    names = sorted(tensors, key=lambda name: (-kinds.index(tensors[name].dtype.name), name))
    header, end = {}, 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.dtype.itemsize * math.prod(tensor.shape)
        header[name] = {
            "dtype": TENSOR_TYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)

    def fill(place: Path) -> None:
        with place.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                for chunk in chunks(tensors[name]):
                    file.write(chunk)

    _write(path, fill)


def chunks(tensor: "np.ndarray") -> Iterator[bytes]:
    """An array's bytes in C order, by its first dimension."""
    if tensor.shape == ():
        yield tensor.tobytes()
        return
    row_bytes = tensor.dtype.itemsize * math.prod(tensor.shape[1:])
    rows = max(1, CHUNK_BYTES // max(1, row_bytes))
    for start in range(0, len(tensor), rows):
        yield tensor[start : start + rows].tobytes()
