"""A study becomes runs of MLflow, a training each below one for all."""

import pandas as pd
import pytest

from makers.project import Project

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own libraries
def test_every_training_has_a_run_with_its_curve(study: Project) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="MLflow is not installed")
    said = study.run("python", "-m", "pipeline.to_mlflow", "--experiment", "digits")
    assert "18 trainings below one run of 'digits'" in said
    told = tracking.MlflowClient(f"sqlite:///{study.folder}/mlflow.db")
    runs = told.search_runs([told.get_experiment_by_name("digits").experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.data.metrics["recommended.batch_size"] in (32, 1077)
    assert parent.data.params["grid.seeds"] == "2"
    assert len(runs) == 19
    run = next(run for run in runs if run.info.run_name == "baseline 32 0.3 0")
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    history = pd.read_parquet(study.folder / "runs/baseline-32/history.parquet")
    curve = history[(history["lr"] == 0.3) & (history["seed"] == 0)]
    logged = told.get_metric_history(run.info.run_id, "val_loss")
    assert [(one.step, one.value) for one in logged] == list(
        zip(curve["step"], curve["val_loss"], strict=True)
    )
