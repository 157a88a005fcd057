"""Choose the winning rates of every batch size, and train them again on fresh seeds.

Runs that exist are taken as they are: on the seeds that cannot have chosen their rates where there
are such, else on all. Writes results/: selection.csv, confirm.parquet, confirm_lanes.parquet, and
empty what only this project's own trainings leave behind.
"""

from pipeline.errors import command
from pipeline.outside import confirmation, trainer, unmeasured
from pipeline.params.load import load_params
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Read runs/, select, train the winners, write results/."""
    params = load_params(files.PARAMS)
    lanes, history = files.runs(params, "lanes.parquet"), files.runs(params, "history.parquet")
    told, first = trainer.of(params), params.grid.variant[0]
    selection, found = confirmation.confirmed(params, lanes, history, told.fresh, told.pilot(first))
    results = files.RESULTS
    files.write_parquet(results / "confirm.parquet", found.history)
    files.write_parquet(results / "confirm_lanes.parquet", found.lanes)
    unmeasured.write("snapshots", "branches")
    for name in ("confirm", "snapshots"):
        files.write_tensors(results / f"{name}.safetensors", {})
    files.write_csv(results / "selection.csv", selection)
    told.clear()
    durations.record(results / "selection.csv")


if __name__ == "__main__":
    main()
