"""Where every stage's files lie, and how they are written: whole or not at all."""

import json
import os
from collections.abc import Callable
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
OVERRIDES = RESULTS / "overrides.json"
REPORTS = Path("reports")
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


def watched(name: str) -> Path:
    """Where it is noted what a file or folder of the user's holds."""
    return WATCHED / f"{name.lstrip('/')}.md5"


def _write(path: Path, fill: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    fill(unfinished)
    os.replace(unfinished, path)


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


def write_tensors(path: Path, tensors: "dict[str, np.ndarray]") -> None:
    """Write named numpy arrays as safetensors, atomically."""
    import numpy as np
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}

    def fill(place: Path) -> None:
        save_file(whole, place)
        place.chmod(0o644)  # safetensors makes it private to the user

    _write(path, fill)
