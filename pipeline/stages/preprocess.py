"""Load, check, split three ways, fit every encoder and scaler on the training part only.

Writes data/processed/: examples.safetensors (inputs and targets by part, not yet scaled),
scaling.json (an offset and a scale per feature and scaling), encoding.json (what a table's columns
became), summary.json, and for the reader features.csv, classes.csv and columns.csv.
"""

import dataclasses
import sys

from pipeline.data import description, scaling
from pipeline.data.preparation import prepare
from pipeline.data.prepared import Prepared
from pipeline.errors import command
from pipeline.params.load import load_params
from pipeline.workspace import durations, files


def say(prepared: Prepared) -> None:
    """What became of the source, a line each."""
    for column in prepared.columns:
        note = f": {column.why}" if column.why else ""
        print(f"preprocess: {column.name}, {column.kind}{note}", file=sys.stderr)
    for note in (*prepared.notes, *prepared.warnings):
        print(f"preprocess: {note}", file=sys.stderr)
    parts = ", ".join(f"{len(part):,} {name}" for name, part in prepared.parts.items())
    print(f"preprocess: {prepared.task}, {inputs(prepared)}, {parts}", file=sys.stderr)


def inputs(prepared: Prepared) -> str:
    """What an example consists of."""
    if not prepared.features:
        return "windows of tokens"
    unit = "channel" if prepared.parts["train"].x.ndim == 4 else "feature"
    return f"{len(prepared.features)} {unit}{'s' if len(prepared.features) > 1 else ''}"


@command
def main() -> None:
    """Read params.yaml and the source, write data/processed."""
    params = load_params(files.PARAMS)
    prepared = prepare(params.data, params.seed)
    scalers = scaling.fit(prepared.parts["train"].x) if prepared.features else {}
    texts = {
        "scaling": {name: dataclasses.asdict(scaler) for name, scaler in scalers.items()},
        "encoding": prepared.fitted,
        "summary": description.summary(prepared, params.data),
    }
    tables = {
        "features": description.features(prepared),
        "classes": description.classes(prepared),
        "columns": description.columns(prepared),
    }
    folder = files.PROCESSED
    files.write_tensors(folder / "examples.safetensors", prepared.arrays())
    for name, table in tables.items():
        files.write_csv(folder / f"{name}.csv", table)
    for name, text in texts.items():
        files.write_json(folder / f"{name}.json", text)
    durations.record(folder / "summary.json")
    say(prepared)


if __name__ == "__main__":
    main()
