"""Load, check, split three ways, fit every scaler on the training part only.

Writes data/processed/: examples.safetensors (inputs and targets as found, by part),
scaling.json (an offset and a scale per feature and scaling), summary.json.
"""

import dataclasses

import numpy as np

from pipeline import params
from pipeline.data import scaling, sources, splits
from pipeline.data.sources import Array, Source
from pipeline.data.splits import Parts
from pipeline.errors import InputError, command
from pipeline.params import Data
from pipeline.stages import files


def check_targets(source: Source, data: Data) -> None:
    """Refuse a task that does not fit the source, and a target that cannot be learnt."""
    classification = len(source.classes) > 0
    if classification != (data.task == "classification"):
        fitting = "classification" if classification else "regression"
        raise InputError(f"data.task: {data.task!r} does not fit {data.source}; use {fitting}")
    if len(np.unique(source.examples.y)) < 2:
        raise InputError(f"data.source: {data.source!r} has a single target value")


def summary(source: Source, data: Data, parts: Parts) -> dict[str, object]:
    """What later stages and the report need to know about the data."""
    regression = data.task == "regression"
    return {
        "source": data.source,
        "task": data.task,
        "shape": list(parts.train.x.shape[1:]),
        "outputs": 1 if regression else len(source.classes),
        "examples": {name: len(part) for name, part in parts.items()},
        "features": list(source.features),
        "classes": list(source.classes),
        "target_mean": float(parts.train.y.mean()) if regression else None,
        "target_sd": float(parts.train.y.std()) if regression else None,
    }


def arrays(parts: Parts) -> dict[str, Array]:
    """The parts' inputs and targets under the names train_x, train_y, val_x, ..."""
    return {
        f"{name}_{kind}": getattr(part, kind) for name, part in parts.items() for kind in ("x", "y")
    }


@command
def main() -> None:
    """Read params.yaml and the source, write data/processed."""
    config = params.load(files.PARAMS)
    source = sources.read(config.data)
    check_targets(source, config.data)
    parts = splits.split(source, config.data, config.seed)
    fitted = scaling.fit(parts.train.x)
    files.write_tensors(files.PROCESSED / "examples.safetensors", arrays(parts))
    scalers = {name: dataclasses.asdict(scaler) for name, scaler in fitted.items()}
    files.write_json(files.PROCESSED / "scaling.json", scalers)
    files.write_json(files.PROCESSED / "summary.json", summary(source, config.data, parts))


if __name__ == "__main__":
    main()
