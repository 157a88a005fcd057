"""Note what the trainings of each variant hang on, beside the data: its settings, and what trains.

DVC notes everything that a stage reads in dvc.lock, and reads and writes all of that again after
every stage. The many stages that train read this one file instead of all settings and folders.
Writes results/inputs/VARIANT.json.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pipeline.errors import command
from pipeline.params.load import Params, load_params
from pipeline.workspace import files

PIPELINE = Path("dvc.yaml")
ITSELF = "pipeline/stages/inputs.py"


def what_trains() -> list[Path]:
    """The files and folders that dvc.yaml lists for this stage, itself aside."""
    listed = OmegaConf.load(PIPELINE).stages.inputs.deps
    named = OmegaConf.merge(OmegaConf.load(files.PARAMS), {"deps": listed})
    return [Path(place) for place in named.deps if place != ITSELF]


def settings(params: Params, variant: str) -> dict[str, Any]:
    """All values of params.yaml that a variant's stages ``train`` read."""
    trainer, grid = params.trainer, params.grid
    return {
        "trainer": {
            "name": trainer.name,
            "command": trainer.command,
            "train_examples": trainer.train_examples,
            "retries": trainer.retries,
            "timeout_seconds": trainer.timeout_seconds,
        },
        "grid": {"seeds": grid.seeds, "extensions": grid.extensions},
        **asdict(params.settings(variant)),
    }


@command
def main() -> None:
    """Read params.yaml and what trains, write a file for each variant."""
    params = load_params(files.PARAMS)
    digest = files.digest(what_trains())
    for variant in params.grid.variant:
        noted = {"what trains": digest, "settings": settings(params, variant)}
        files.write_json(files.INPUTS / f"{variant}.json", noted)


if __name__ == "__main__":
    main()
