"""The last study as runs of MLflow: one for the study, and below it one for each training.

    python -m pipeline.to_mlflow [--uri URI] [--experiment NAME]

The study's run has the settings, the answer and the report; a training's its batch size,
rate and seed, and its curve by steps. Needs `pip install -e '.[mlflow]'`.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from omegaconf import OmegaConf

from pipeline.errors import InputError, command
from pipeline.params.load import DERIVED, flattened, load_params
from pipeline.selection.keys import CELL
from pipeline.workspace import files
from pipeline.workspace.progress import progress

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MEASURED = ("train_loss", "val_loss", "val_score")
AT_ONCE, SETTINGS_AT_ONCE = 1000, 100
"""MLflow takes no more values, and settings, in one call."""
LONGEST = 500
"""Nor longer settings."""
ANSWER = ("report.html", "report.md", "recommendation.json", "claims.csv", "metrics.json")


def client(uri: str) -> "MlflowClient":
    """MLflow's door at an address.

    Raises InputError where MLflow is not installed.
    """
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise InputError("to_mlflow: MLflow is not installed: pip install -e '.[mlflow]'") from None
    return MlflowClient(uri)


def settings() -> dict[str, str]:
    """The values of params.yaml by dotted key, but those that follow from others."""
    chosen = flattened(OmegaConf.to_container(OmegaConf.load(files.PARAMS)))
    return {
        key: str(value)[:LONGEST] for key, value in chosen.items() if not key.startswith(DERIVED)
    }


def trainings() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lanes and history of all trainings of the last study, screened and fresh.

    Raises InputError where there are none.
    """
    params, results = load_params(files.PARAMS), files.RESULTS
    fresh = [results / f"{name}_lanes.parquet" for name in ("confirm", "contest")]
    for path in (*fresh, *(files.REPORTS / report for report in ANSWER)):
        if not path.is_file():
            raise InputError(f"{path}: missing; `dvc repro` makes it")
    lanes = [files.runs(params, "lanes.parquet"), *map(pd.read_parquet, fresh)]
    history = [files.runs(params, "history.parquet")]
    history += [pd.read_parquet(results / f"{name}.parquet") for name in ("confirm", "contest")]
    return pd.concat(lanes, ignore_index=True), pd.concat(history, ignore_index=True)


def values(curve: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    """The finite values of a training's curve: name, value, step."""
    for name in MEASURED:
        for step, value in zip(curve["step"], curve[name], strict=True):
            if math.isfinite(value):
                yield name, float(value), int(step)


def log_training(told: "MlflowClient", experiment: str, parent: str, cell: Any, curve: Any) -> None:
    """One training as a run below the study's."""
    from mlflow.entities import Metric, Param, RunTag

    name = f"{cell.variant} {cell.batch_size} {cell.lr:g} {cell.seed}"
    run = told.create_run(experiment, run_name=name, tags={"mlflow.parentRunId": parent})
    keys = {key: getattr(cell, key) for key in (*CELL, "phase")}
    params = [Param(key, str(value)) for key, value in keys.items()]
    metrics = [Metric(name, value, 0, step) for name, value, step in values(curve)]
    told.log_batch(run.info.run_id, params=params, tags=[RunTag("status", cell.status)])
    for first in range(0, len(metrics), AT_ONCE):
        told.log_batch(run.info.run_id, metrics=metrics[first : first + AT_ONCE])
    told.set_terminated(run.info.run_id, "FAILED" if cell.status == "diverged" else "FINISHED")


def log_study(told: "MlflowClient", experiment: str, name: str) -> str:
    """The study as a run; its id."""
    from mlflow.entities import Metric, Param

    numbers = flattened(json.loads((files.REPORTS / "metrics.json").read_text()))
    run = told.create_run(experiment, run_name=name)
    params = [Param(key, value) for key, value in settings().items()]
    known = {key: float(value) for key, value in numbers.items() if value is not None}
    metrics = [Metric(key, value, 0, 0) for key, value in known.items()]
    for first in range(0, len(params), SETTINGS_AT_ONCE):
        told.log_batch(run.info.run_id, params=params[first : first + SETTINGS_AT_ONCE])
    told.log_batch(run.info.run_id, metrics=metrics)
    for report in ANSWER:
        told.log_artifact(run.info.run_id, str(files.REPORTS / report))
    return str(run.info.run_id)


@command
def main() -> None:
    """Read the last study, write its runs, say where they are."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.to_mlflow")
    parser.add_argument("--uri", default="sqlite:///mlflow.db", help="MLflow's address")
    parser.add_argument("--experiment", default="batchwise", help="a name; made where it is new")
    asked = parser.parse_args()
    lanes, history = trainings()
    told = client(asked.uri)
    found = told.get_experiment_by_name(asked.experiment)
    experiment = found.experiment_id if found else told.create_experiment(asked.experiment)
    study = log_study(told, experiment, Path.cwd().name)
    curves = dict(list(history.groupby([*CELL, "phase"])))
    with progress("to_mlflow", len(lanes), "training") as on_done:
        for cell in lanes.itertuples():
            key = tuple(getattr(cell, name) for name in (*CELL, "phase"))
            log_training(told, experiment, study, cell, curves.get(key, history[:0]))
            on_done(1)
    told.set_terminated(study)
    print(f"{len(lanes)} trainings below one run of {asked.experiment!r} at {asked.uri}")


if __name__ == "__main__":
    main()
