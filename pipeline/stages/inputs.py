"""Note what the trainings of each variant hang on, beside the data: its settings, and what trains.

DVC notes everything that a stage reads in dvc.lock, and reads and writes all of that again after
every stage. The many stages that train read this one file instead of all settings and folders.
Writes results/inputs/VARIANT.json.
"""

from pathlib import Path

from omegaconf import OmegaConf

from pipeline.errors import command
from pipeline.params.load import load_params
from pipeline.workspace import files, noted

PIPELINE = Path("dvc.yaml")
ITSELF = "pipeline/stages/inputs.py"


def what_trains() -> list[Path]:
    """The files and folders that dvc.yaml lists for this stage, itself aside."""
    listed = OmegaConf.load(PIPELINE).stages.inputs.deps
    named = OmegaConf.merge(OmegaConf.load(files.PARAMS), {"deps": listed})
    return [Path(place) for place in named.deps if place != ITSELF]


@command
def main() -> None:
    """Read params.yaml and what trains, write a file for each variant."""
    noted.write(load_params(files.PARAMS), what_trains())


if __name__ == "__main__":
    main()
