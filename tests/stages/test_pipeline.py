"""The real pipeline, run by DVC on the smoke study: results, caching, overrides, failures."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from makers.project import SHARED_DATA, Project, shrink

pytestmark = pytest.mark.slow


TIMED = ("throughput.csv", "retimed.csv", "alignment.csv", "data_parallel.csv")
UP_TO_DATE = "Data and pipelines are up to date."


def ran(said: str) -> list[str]:
    """The stages that a `dvc repro` ran, config aside."""
    return [name for name in re.findall(r"Running stage '([^']+)'", said) if name != "config"]


def digests(folder: Path, *names: str) -> dict[str, str]:
    """A digest of every file below the named folders."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names
        for path in sorted((folder / name).rglob("*"))
        if path.is_file() and path.name not in TIMED
    }


class TestResults:
    def test_history_and_lanes_have_the_promised_columns(self, built: Project) -> None:
        history = pd.read_parquet(built.folder / "runs/baseline-32/history.parquet")
        assert list(history) == [
            "variant", "batch_size", "lr", "seed", "phase", "step", "epoch", "examples",
            "train_loss", "train_loss_sd", "val_loss", "val_score", "grad_norm", "weight_norm",
            "largest_weight", "update_to_weight",
        ]  # fmt: skip
        assert (history["examples"] == history["step"] * 32).all()
        lanes = pd.read_parquet(built.folder / "runs/baseline-full/lanes.parquet")
        assert len(lanes) == 4
        assert (lanes["batch_size"] == 1077).all()
        assert set(lanes["status"]) <= {"finished", "diverged"}

    def test_weights_are_stacked_in_the_order_of_the_lanes(self, built: Project) -> None:
        weights = load_file(built.folder / "runs/baseline-32/weights.safetensors")
        assert weights["1.weight"].shape == (4, 32, 64)

    def test_confirmation_uses_fresh_seeds_alone(self, built: Project) -> None:
        confirmed = pd.read_parquet(built.folder / "results/confirm_lanes.parquet")
        assert set(confirmed["seed"]) == set(range(1000, 1005))
        assert set(confirmed["phase"]) == {"confirm"}

    def test_evaluation_is_consistent(self, built: Project) -> None:
        table = pd.read_csv(built.folder / "results/evaluation.csv")
        gap = table["train_score"] - table["test_score"]
        assert np.allclose(table["generalisation_gap"], gap)
        assert set(table["budget"]) == {"whole budget", "equal epochs", "equal steps"}
        table = table[table["budget"] == "whole budget"]
        lanes = pd.read_parquet(built.folder / "results/confirm_lanes.parquet")
        both = table.merge(lanes, on=["variant", "batch_size", "lr", "seed"])
        assert np.allclose(both["val_score"], both["final_val_score"], atol=3e-3)
        assert np.allclose(both["train_loss"], both["final_train_loss"], rtol=1e-4)

    def test_every_measure_of_the_solutions_is_there(self, built: Project) -> None:
        results = built.folder / "results"
        sharpness = pd.read_csv(results / "sharpness.csv")
        solutions = sharpness[sharpness["point"] == "solution"]
        assert solutions.groupby("batch_size")["seed"].nunique().tolist() == [5, 5]
        of_first = ["keskar_full_0.0005", "keskar_subspace_0.001", "keskar_subspace_0.0005"]
        assert solutions.drop(columns=["variant", "point", *of_first]).notna().all().all()
        first = solutions["seed"] == solutions["seed"].min()
        assert (solutions[of_first].notna().to_numpy() == first.to_numpy()[:, None]).all()
        seeds = sharpness.groupby("point")["seed"].nunique()
        assert seeds[["early", "equal loss", "rescaled"]].tolist() == [5, 5, 1]
        assert {"early", "middle", "rescaled", "initial"} < set(sharpness["point"])
        noise = pd.read_csv(results / "gradient_noise.csv")
        assert set(noise["moment"]) == {"initial", "early", "middle", "end"}
        assert set(noise["population"]) == {64}
        landscape = pd.read_csv(results / "landscape.csv")
        assert landscape.groupby(["path", "batch_size", "seed"]).size().eq(25).all()

    def test_snapshots_are_evaluations_of_the_confirmed_trainings(self, built: Project) -> None:
        snapshots = pd.read_csv(built.folder / "results/snapshots.csv")
        history = pd.read_parquet(built.folder / "results/confirm.parquet")
        keys = ["variant", "batch_size", "lr", "seed"]
        found = snapshots.merge(history, on=[*keys, "step"])
        assert len(found) == len(snapshots)
        scores = pd.read_csv(built.folder / "results/evaluation.csv")
        both = scores.merge(found, left_on=[*keys, "budget"], right_on=[*keys, "moment"])
        assert len(both) == snapshots["moment"].isin(["equal epochs", "equal steps"]).sum()
        assert np.allclose(both["val_loss_x"], both["val_loss_y"], rtol=1e-4)

    def test_the_report_says_what_the_tables_say(self, built: Project) -> None:
        advice = json.loads(built.read("reports/recommendation.json"))
        table = pd.read_csv(built.folder / "reports/tables/tradeoff.csv")
        best = table.loc[table["batch_size"] == advice["recommended"]["batch_size"]].iloc[0]
        assert best["seconds_to_target"] == advice["recommended"]["seconds_to_target"]
        assert advice["headline"] in built.read("reports/report.md")

    def test_dvc_shows_metrics_plots_and_experiments(self, study: Project) -> None:
        assert "recommended.batch_size" in study.run("dvc", "metrics", "show")
        assert "index.html" in study.run("dvc", "plots", "show")
        assert "best_test_score" in study.run("dvc", "exp", "show", "--md")
        (shown, *_) = json.loads(study.run("dvc", "exp", "show", "--json"))
        metrics = shown["data"]["metrics"]["reports/metrics.json"]["data"]
        assert metrics["recommended"]["batch_size"] in (32, 1077)

    def test_dvc_lays_the_curves_of_two_commits_over_each_other(self, study: Project) -> None:
        path = study.folder / "reports/tables/tradeoff.csv"
        table = pd.read_csv(path)
        table.assign(seconds_to_target=2 * table["seconds_to_target"]).to_csv(path, index=False)
        said = study.run("dvc", "plots", "diff", "HEAD", "workspace", "--json")
        plots = json.loads(said)["data"]
        for name in ("seconds to target", "steps to target", "test score", "seconds by rate"):
            (plot,) = plots[name]
            rows = plot["content"]["data"]["values"]
            assert {row["rev"] for row in rows} == {"HEAD", "workspace"}
            assert "<DVC_METRIC" not in json.dumps(plot["content"])


def trained_in(said: str) -> list[str]:
    """The packs that a `dvc repro` trained."""
    return [name for name in ran(said) if name.startswith("train")]


def sizes_of(study: Project) -> list[int]:
    """The batch sizes that have a winner."""
    return sorted(set(pd.read_csv(study.folder / "results/selection.csv")["batch_size"]))


class TestCaching:
    def test_nothing_to_do_does_nothing(self, study: Project) -> None:
        assert study.repro().strip().endswith(UP_TO_DATE)

    def test_a_removed_batch_size_is_forgotten_and_comes_back_untrained(
        self, study: Project
    ) -> None:
        study.compose("grid.batch_size=[32]")
        assert ran(study.repro("confirm")) == ["confirm"]
        assert sizes_of(study) == [32]
        assert not (study.folder / "runs/baseline-full").exists()
        study.compose()
        assert not ran(study.repro())
        assert (study.folder / "runs/baseline-full/lanes.parquet").exists()
        assert sizes_of(study) == [32, 1077]

    def test_a_new_batch_size_trains_only_itself_and_is_kept_when_a_later_stage_fails(
        self, study: Project
    ) -> None:
        study.compose("target.value=0.9999", "grid.batch_size=[32,64,full]")
        said = study.repro("confirm", ok=False)
        assert trained_in(said) == ["train@baseline-64"]
        assert "preprocess" not in ran(said)
        assert "target.value: 0.9999 is reached by no rate" in said
        assert "Traceback" not in said
        study.compose("grid.batch_size=[32,64,full]")
        assert ran(study.repro("confirm")) == ["confirm"]
        assert sizes_of(study) == [32, 64, 1077]

    def test_a_changed_figure_runs_only_the_report(self, study: Project) -> None:
        study.replace(
            "pipeline/reporting/figures/steps.py", "batch × steps constant", "perfect scaling"
        )
        assert ran(study.repro("--dry")) == ["report"]

    def test_a_reworded_progress_line_runs_nothing(self, study: Project) -> None:
        study.replace("pipeline/workspace/progress.py", "of {total:,}", "out of {total:,}")
        assert study.repro().strip().endswith(UP_TO_DATE)

    def test_a_new_variant_trains_only_itself(self, study: Project) -> None:
        study.compose(
            "+variants.adam={optimizer: {name: adam}, grid: {lr: [0.001, 0.01]}}",
            "grid.variant=[baseline,adam]",
            "grid.batch_size=[32]",
        )
        assert trained_in(study.repro("train")) == ["train@adam-32"]

    def test_deleted_runs_are_restored_without_training(self, study: Project) -> None:
        before = digests(study.folder, "runs")
        shutil.rmtree(study.folder / "runs")
        assert "Running stage 'train" not in study.repro()
        assert digests(study.folder, "runs") == before

    def test_running_again_gives_the_same_bytes(self, study: Project) -> None:
        """With the real commands this time, as a user runs them."""
        study = Project(study.folder)
        before = digests(study.folder, "data", "runs", "results")
        said = study.repro("--force", "--no-run-cache", "evaluate")
        assert len(ran(said)) == 6
        assert digests(study.folder, "data", "runs", "results") == before

    def test_an_edit_of_conf_reaches_a_plain_repro_and_one_of_params_is_checked(
        self, study: Project
    ) -> None:
        study.replace("conf/config.yaml", "seeds: 5", "seeds: 3")
        assert ran(study.repro("confirm")) == ["confirm"]
        cells = pd.read_parquet(study.folder / "results/confirm_lanes.parquet")
        assert cells["seed"].nunique() == 3
        study.replace("params.yaml", "  seeds: 3", "  seeds: 4")
        assert ran(study.repro("--dry", "confirm")) == ["confirm"]
        study.replace("params.yaml", "  seeds: 4", "  seeds: none")
        said = study.repro(ok=False)
        assert "confirm.seeds: Value 'none'" in said
        assert "Traceback" not in said


class TestExperiments:
    """What the README's `dvc exp run` and `compare` do is checked where its commands run."""

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["HEAD", "nonsense"], "compare: 'nonsense' is neither an experiment nor a commit"),
            (["HEAD"], "usage: python -m pipeline.compare"),
            (["HEAD", "HEAD"], "usage: python -m pipeline.compare"),
        ],
    )
    def test_a_bad_comparison_is_refused(
        self, built: Project, names: list[str], message: str
    ) -> None:
        said = built.run("python", "-m", "pipeline.compare", *names, ok=False)
        assert message in said
        assert "Traceback" not in said

    def test_a_bad_override_is_refused(self, study: Project) -> None:
        """Through DVC; what else is refused is tried where params are composed."""
        for override, message in {
            "budget.epoch=3": "Could not override 'budget.epoch'",
            "grid.lr=[-1]": "grid.lr: -1.0",
        }.items():
            said = study.run("dvc", "exp", "run", "-S", override, ok=False)
            assert message in said
            assert "Traceback" not in said


OWN_MODEL = """
from torch import nn

def build(shape, outputs, width):
    return nn.Sequential(nn.Linear(shape[0], width), nn.Tanh(), nn.Linear(width, outputs))
"""


def own_table() -> pd.DataFrame:
    """A target of its own unit, a column of text, missing values and a counter."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(300, 3)), columns=["a", "b", "c"])
    table["price"] = 1000 * (table["a"] - table["b"]) + random.normal(0, 100, 300)
    table["kind"] = np.where(table["c"] > 0, "p", "q")
    table.loc[::9, "b"] = np.nan
    return table.assign(row=range(300))


def test_a_table_and_a_network_of_ones_own(study: Project) -> None:
    own_table().to_csv(study.folder / "own.csv", index=False)
    (study.folder / "own_model.py").write_text(OWN_MODEL)
    study.run("dvc", "add", "own.csv")
    study.compose(
        "data=table", "data.path=own.csv", "data.target=price", "model.name=own_model:build",
        "+model.options.width=8", "grid.batch_size=[32]",
    )  # fmt: skip
    study.repro()
    check_report(study)
    check_watching(study)


def check_report(study: Project) -> None:
    """What it says of the data, in the target's own unit."""
    report = study.read("reports/report.md")
    for words in ("own.csv (MD5 ", "regression of price", "row (like an ID", "test RMSE"):
        assert words in report
    summary = json.loads(study.read("data/processed/summary.json"))
    assert summary["features"] == ["a", "b", "b is missing", "c", "kind = p", "kind = q"]
    table = pd.read_csv(study.folder / "results/evaluation.csv")
    assert np.allclose(table["test_rmse"], np.sqrt(table["test_loss"]) * summary["target_sd"])
    weights = load_file(study.folder / "runs/baseline-32/weights.safetensors")
    assert weights["0.weight"].shape == (4, 8, 6)
    assert summary["md5"] in study.read("own.csv.dvc")


def check_watching(study: Project) -> None:
    """A changed file runs what hangs on it and nothing else."""
    assert UP_TO_DATE in study.repro("--dry")
    with (study.folder / "own.csv").open("a") as file:
        file.write("1,2,3,4000,p,300\n")
    assert ran(study.repro("--dry"))[0] == "preprocess"
    study.run("dvc", "checkout", "--force", "own.csv.dvc")
    (study.folder / "own_model.py").write_text(OWN_MODEL + "# a word\n")
    assert "inputs" in ran(study.repro("--dry"))
    assert ran(study.repro("inputs")) == ["inputs"]
    again = ran(study.repro("--dry"))
    assert "preprocess" not in again
    assert "train@baseline-32" in again


class TestExtension:
    def test_rates_are_added_until_the_best_lies_inside(self, study: Project) -> None:
        study.compose("grid.batch_size=[32]", "grid.lr=[0.001,0.002]", "grid.extensions=2")
        study.repro("train")
        lanes = pd.read_parquet(study.folder / "runs/baseline-32/lanes.parquet")
        added = sorted(set(lanes.loc[lanes["phase"] == "extend", "lr"]))
        assert added == [0.006325, 0.02]
        history = pd.read_parquet(study.folder / "runs/baseline-32/history.parquet")
        assert set(history["lr"]) == set(lanes["lr"])


class TestFailures:
    def test_a_batch_size_beyond_the_data(self, study: Project) -> None:
        study.compose("grid.batch_size=[32,2000]")
        said = study.repro(ok=False)
        assert "grid.batch_size: 2000 is beyond the 1077 training examples" in said
        assert "Traceback" not in said

    def test_full_given_twice(self, study: Project) -> None:
        study.compose("grid.batch_size=[1077,full]")
        assert "grid.batch_size: 1077 is also what 'full' means here" in study.repro(
            "throughput", ok=False
        )

    def test_a_memory_limit_below_one_example(self, study: Project) -> None:
        study.compose("limits.memory_gb=1e-7")
        said = study.repro("throughput", ok=False)
        assert "limits.memory_gb: a batch of 1 needs" in said
        assert "Traceback" not in said

    def test_trainings_that_diverged_before_they_were_kept(self, study: Project) -> None:
        for lost in ("early", "all"):
            self.check_without(study, lost)
        study.run("python", "-m", "pipeline.stages.report")

    def check_without(self, study: Project, lost: str) -> None:
        """What is evaluated without some of batch size 32's snapshots."""
        table = pd.read_csv(study.folder / "results/snapshots.csv")
        path = study.folder / "results/snapshots.safetensors"
        gone = (table["batch_size"] == 32) & ((table["moment"] == "early") | (lost == "all"))
        rows = ~gone[table["batch_size"] == 32].to_numpy()
        weights = {
            name: array[rows] if name.startswith("baseline-32/") else array
            for name, array in load_file(path).items()
            if rows.any() or not name.startswith("baseline-32/")
        }
        table[~gone].to_csv(study.folder / "results/snapshots.csv", index=False)
        save_file(weights, path)
        study.run("python", "-m", "pipeline.stages.evaluate")
        noise = pd.read_csv(study.folder / "results/gradient_noise.csv")
        moments = set(noise.loc[noise["batch_size"] == 32, "moment"])
        assert moments == ({"initial", "end"} | ({"middle"} if lost == "early" else set()))
        assert {"early", "middle", "end"} == set(noise.loc[noise["batch_size"] != 32, "moment"])

    def test_a_missing_data_folder(self, study: Project) -> None:
        study.compose("data=mnist", "data.path=nowhere", "grid=smoke")
        said = study.repro("preprocess", ok=False)
        assert "data.path: 'nowhere' lacks MNIST" in said
        assert "train-images-idx3-ubyte" in said
        assert "Traceback" not in said

    def test_a_cell_outside_the_grid(self, built: Project) -> None:
        said = built.run("python", "-m", "pipeline.stages.train", "baseline", "33", ok=False)
        assert (
            said.strip()
            == "error: VARIANT BATCH_SIZE: 'baseline 33' is not in the grid of params.yaml"
        )


def test_mnist_trains(project: Project) -> None:
    if not (SHARED_DATA / "MNIST").is_dir():
        pytest.skip("the folder with MNIST's files is absent")
    shrink(project)
    project.compose(
        "data=mnist", f"data.path={SHARED_DATA}", "grid.batch_size=[1024]", "model.hidden=[64]",
        "grid.lr=[0.1,0.3]", "data.split={train: 0.1, val: 0.1, test: 0.8}",
    )  # fmt: skip
    project.repro("train@baseline-1024")
    lanes = pd.read_parquet(project.folder / "runs/baseline-1024/lanes.parquet")
    assert (lanes["final_val_score"] > 0.8).all()


class TestRace:
    def test_a_pilot_trains_first_and_the_others_stop_when_they_cannot_win(
        self, study: Project
    ) -> None:
        study.compose(
            "grid.race=true", "grid.batch_size=[31,32,full]", "limits.indifference=0.01",
            "target.value=0.6", "budget.min_steps=3000", "confirm.seeds=2",
        )  # fmt: skip
        said = study.repro()
        order = ran(said)
        assert order.index("pilot@baseline") < order.index("train@baseline-31")
        assert "was trained before the race" in said
        bar = json.loads(study.read("results/pilots/baseline/bar.json"))
        pilot = study.folder / f"results/pilots/baseline/{bar['batch_size']}"
        asked = "full" if bar["batch_size"] == 1077 else bar["batch_size"]
        for name in ("history.parquet", "lanes.parquet", "weights.safetensors"):
            run = study.folder / f"runs/baseline-{asked}"
            assert (run / name).read_bytes() == (pilot / name).read_bytes()
        status = {
            path.parent.name: set(pd.read_parquet(path)["status"])
            for path in study.folder.glob("runs/*/lanes.parquet")
        }
        assert "stopped" not in status[f"baseline-{asked}"]
        assert any("stopped" in found for found in status.values())
        advice = json.loads(study.read("reports/recommendation.json"))
        assert bar["value"] == 0.6
        assert "accuracy of 0.6 in" in advice["headline"]
        assert "were stopped once another rate" in study.read("reports/report.md")
        contested = pd.read_parquet(study.folder / "results/contest_lanes.parquet")
        assert not set(contested["seed"]) & set(range(1002))
        assert study.repro().strip().endswith(UP_TO_DATE)

    def test_without_a_long_training_there_is_none(self, study: Project) -> None:
        study.compose("grid.race=auto")
        assert "no race, whole trainings take about" in study.repro("train@baseline-32")
        assert study.read("results/pilots/baseline/bar.json") == "{}\n"
        lanes = pd.read_parquet(study.folder / "runs/baseline-32/lanes.parquet")
        assert set(lanes["status"]) == {"finished"}

    def test_a_short_study_says_what_it_could_not_train(self, study: Project) -> None:
        study.compose("limits.study_seconds=1", "grid.batch_size=[1,64,full]")
        study.repro()
        lanes = pd.read_parquet(study.folder / "runs/baseline-1/lanes.parquet")
        assert set(lanes["status"]) == {"stopped"}
        report = study.read("reports/report.md")
        assert "for want of time" in report
        assert "batch size 1 takes more than" in report


def test_a_second_machine_gets_a_recommendation_of_its_own(study: Project) -> None:
    """Without a training more; one that timed another network is left out."""
    said = study.run("python", "-m", "pipeline.machines", "add", "far")
    assert said.startswith("machines/far.csv: ")
    far = study.folder / "machines/far.csv"
    timings = pd.read_csv(far)
    slow = timings["batch_size"] == 32
    for name in ("seconds_per_step", "seconds_per_step_q25", "seconds_per_step_q75"):
        timings.loc[slow, name] *= 1000
    timings.to_csv(far, index=False)
    timings.assign(timed="another").to_csv(far.with_name("other.csv"), index=False)
    study.compose("+machines.far.price_per_hour=2.0")
    said = study.repro()
    assert ran(said) == ["report", "model"]
    assert "machines/other.csv is left out" in said
    machines = json.loads(study.read("reports/recommendation.json"))["machines"]
    assert list(machines) == ["here", "far"]
    here, far_seconds = (machines[name]["seconds_to_target"] for name in ("here", "far"))
    assert far_seconds > 100 * here
    assert machines["far"]["price_to_target"] == pytest.approx(far_seconds * 2 / 3600)
    assert machines["here"]["price_to_target"] is None
    assert "On far: batch size 32 " in study.read("reports/report.md")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add"], "error: command: 'add' is not: python -m pipeline.machines add NAME"),
        (["add", "a/b"], "error: NAME: 'a/b' is not made of letters, digits, - and _"),
        (["add", "here"], "error: NAME: 'here' is the machine that made the report"),
    ],
)
def test_a_wrong_name_of_a_machine_is_refused(built: Project, words: list[str], said: str) -> None:
    assert built.run("python", "-m", "pipeline.machines", *words, ok=False).strip() == said


def test_timings_of_other_settings_are_not_kept(study: Project) -> None:
    study.compose("model.hidden=[8]")
    said = study.run("python", "-m", "pipeline.machines", "add", "far", ok=False)
    assert said.startswith("error: results/throughput.csv: is older than what it is of (")
    assert not (study.folder / "machines/far.csv").exists()
