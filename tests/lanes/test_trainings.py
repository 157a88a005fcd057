"""The door of the lanes: who is let in, and which checkpoints are taken up."""

from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from makers.data import dataset
from makers.packs import lanes, make_pack
from makers.project import ROOT
from pipeline.errors import InputError
from pipeline.lanes import trainings
from pipeline.params.load import Params
from pipeline.params.protocol import Watched
from pipeline.workspace import files


def test_a_second_copy_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainings, "LOCK_SECONDS", 0.1)
    files.CHECKPOINTS.mkdir()
    rule = "train baseline 32: another process is training it"
    with (
        FileLock(files.CHECKPOINTS / "train-baseline-32.lock"),
        pytest.raises(InputError, match=rule),
        trainings.lock("train baseline 32"),
    ):
        raise AssertionError("it was let in")
    with trainings.lock("train baseline 32"):
        pass


def test_checkpoints_follow_the_data_the_code_and_the_users_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    processed, code, network = files.PROCESSED / "summary.json", Path("code"), Path("my_model.py")
    for folder in trainings.CODE:
        files.write_text(code / folder / "part.py", "one")
    monkeypatch.setattr(trainings, "PACKAGE", code)
    files.write_text(processed, "one")
    files.write_text(network, "one")
    params = Params(watched=Watched(model=str(network)))

    def name() -> str:
        return trainings.checkpoints("train baseline 32", params).inputs

    names = [name(), name()]
    for path in (processed, network, *(code / folder / "part.py" for folder in trainings.CODE)):
        files.write_text(path, "two")
        names.append(name())
    assert len(set(names)) == len(names) - 1 == 6
    assert all(name.startswith("train-baseline-32-") for name in names)


def test_the_code_of_checkpoints_is_there() -> None:
    for folder in trainings.CODE:
        assert list((ROOT / "pipeline" / folder).glob("*.py"))


def test_the_tables_of_a_pack() -> None:
    pack = make_pack((0.03, 1e9), (0, 1))
    trained = lanes(pack, dataset("regression"))
    table = trainings.cell_table(pack, trained)
    assert table["status"].tolist() == ["finished", "finished", "diverged", "diverged"]
    assert table["steps"].tolist()[:2] == [pack.steps, pack.steps]
    assert (table["steps"] == table["diverged_step"].fillna(pack.steps)).all()
    history = trainings.history(pack, trained)
    assert len(history.query("lr == 0.03")) == 2 * len(pack.evaluation_steps)
    lost = history.query("lr > 1").merge(table, on=["lr", "seed"], suffixes=("", "_cell"))
    assert (lost["step"] < lost["diverged_step"]).all()
    best = history.groupby(["lr", "seed"])["val_loss"].min()
    assert table["best_val_loss"].tolist()[:2] == best.loc[0.03].tolist()
    renamed = replace(pack, cells=pack.cells[:1])
    assert trainings.keys(renamed).to_dict("records") == [
        {"variant": "baseline", "batch_size": 8, "lr": 0.03, "seed": 0, "phase": "screen"}
    ]
