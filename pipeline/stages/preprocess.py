"""Load, check, split three ways, fit every encoder and scaler on the training part only.

Writes data/processed/: examples.safetensors (inputs and targets by part, not yet scaled),
scaling.json (an offset and a scale per feature and scaling), encoding.json (what a table's columns
became), summary.json, and for the reader features.csv, classes.csv and columns.csv.
"""

import dataclasses
import hashlib
import sys
from pathlib import Path

from pipeline import params
from pipeline.data import description, scaling
from pipeline.data.preparation import prepare
from pipeline.data.prepared import Prepared
from pipeline.data.sources import Array
from pipeline.errors import command
from pipeline.params import Data
from pipeline.stages import files, timing


def summary(prepared: Prepared, data: Data) -> dict[str, object]:
    """What later stages and the report need to know about the data."""
    train = prepared.parts["train"]
    regression = prepared.task == "regression"
    return {
        "source": data.source,
        "file": None if data.path is None else Path(data.path).name,
        "md5": md5(data),
        "task": prepared.task,
        "target": data.target,
        "shape": list(train.x.shape[1:]),
        "outputs": 1 if regression else len(prepared.classes),
        "examples": {name: len(part) for name, part in prepared.parts.items()},
        "features": list(prepared.features),
        "classes": list(prepared.classes),
        "target_mean": float(train.y.mean()) if regression else None,
        "target_sd": float(train.y.std()) if regression else None,
        "notes": [*prepared.notes, *place_note(data)],
    }


def place_note(data: Data) -> list[str]:
    """Says so where the data lie outside the project."""
    own = data.source in params.FILES and data.path is not None
    if not own or Path(str(data.path)).resolve().is_relative_to(Path.cwd().resolve()):
        return []
    return ["the data lie outside the project: nobody else has them by its commits alone"]


def md5(data: Data) -> str | None:
    """The MD5 of a user's file, the one that DVC keeps; None for folders and named data sets."""
    if data.path is None or not Path(data.path).is_file():
        return None
    with Path(data.path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def arrays(prepared: Prepared) -> dict[str, Array]:
    """The parts' inputs and targets under the names train_x, train_y, val_x, ..."""
    return {
        f"{name}_{kind}": getattr(part, kind)
        for name, part in prepared.parts.items()
        for kind in ("x", "y")
    }


def say(prepared: Prepared) -> None:
    """What became of the source, a line each."""
    for column in prepared.columns:
        note = f": {column.why}" if column.why else ""
        print(f"preprocess: {column.name}, {column.kind}{note}", file=sys.stderr)
    for note in prepared.notes:
        print(f"preprocess: {note}", file=sys.stderr)
    parts = ", ".join(f"{len(part):,} {name}" for name, part in prepared.parts.items())
    print(
        f"preprocess: {prepared.task}, {len(prepared.features)} features, {parts}", file=sys.stderr
    )


@command
def main() -> None:
    """Read params.yaml and the source, write data/processed."""
    config = params.load(files.PARAMS)
    prepared = prepare(config.data, config.seed)
    fitted = scaling.fit(prepared.parts["train"].x)
    texts = {
        "scaling": {name: dataclasses.asdict(scaler) for name, scaler in fitted.items()},
        "encoding": prepared.fitted,
        "summary": summary(prepared, config.data),
    }
    tables = {
        "features": description.features(prepared),
        "classes": description.classes(prepared),
        "columns": description.columns(prepared),
    }
    folder = files.PROCESSED
    files.write_tensors(folder / "examples.safetensors", arrays(prepared))
    for name, table in tables.items():
        files.write_csv(folder / f"{name}.csv", table)
    for name, text in texts.items():
        files.write_json(folder / f"{name}.json", text)
    timing.record(folder / "summary.json")
    say(prepared)


if __name__ == "__main__":
    main()
