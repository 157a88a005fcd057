"""What the trainings of a variant hang on beside the data, noted once for all its stages.

The stage ``inputs`` notes it, and DVC knows by the note which trainings to run again. Whoever
trains checks that the note is of the settings and the code that are about to be used.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.workspace import files


def settings(params: Params, variant: str) -> dict[str, Any]:
    """All values of params.yaml that a variant's stages ``train`` read, as JSON has them."""
    trainer, grid = params.trainer, params.grid
    values = {
        "trainer": {
            "name": trainer.name,
            "command": trainer.command,
            "train_examples": trainer.train_examples,
            "retries": trainer.retries,
            "timeout_seconds": trainer.timeout_seconds,
        },
        "grid": {"seeds": grid.seeds, "extensions": grid.extensions},
        "raced to": grid.variant[0] if params.waves.variant else None,
        **asdict(params.settings(variant)),
    }
    return dict(json.loads(json.dumps(values)))


def place(variant: str) -> Path:
    """Where a variant's note lies."""
    return files.INPUTS / f"{variant}.json"


def write(params: Params, what_trains: Sequence[Path]) -> None:
    """Write a note for each variant. what_trains: files and folders."""
    code = {
        "places": sorted({path.as_posix() for path in what_trains}),
        "digest": files.digest(what_trains),
    }
    for variant in params.grid.variant:
        noted = {"settings": settings(params, variant), "what trains": code}
        files.write_json(place(variant), noted)


def check(params: Params, variant: str) -> None:
    """Raise an InputError where a variant's note is of other settings, or of other code: trainings
    would count as those of the note."""
    path, rule = place(variant), "`dvc repro inputs` notes it anew"
    if not path.is_file():
        raise InputError(f"{path}: missing; {rule}")
    noted = json.loads(path.read_text())
    if noted["settings"] != settings(params, variant):
        raise InputError(f"{path}: is of other settings than params.yaml's; {rule}")
    code = noted["what trains"]
    if code["digest"] != files.digest(map(Path, code["places"])):
        raise InputError(f"{path}: is of other code than the present; {rule}")
