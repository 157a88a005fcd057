"""Files: written whole or not at all, and no pack but those of the grid."""

import os
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.params.protocol import Grid
from pipeline.workspace import files


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_only_the_packs_of_the_grid_are_read() -> None:
    for size in (4, 8, 16):
        table = pd.DataFrame({"batch_size": [size]})
        files.write_parquet(files.run_folder("baseline", size) / "lanes.parquet", table)
    params = Params(grid=Grid(["baseline"], [4, 16], [0.1], 1))
    assert files.runs(params, "lanes.parquet")["batch_size"].tolist() == [4, 16]


def test_a_missing_pack_is_named() -> None:
    params = Params(grid=Grid(["baseline"], [4], [0.1], 1))
    with pytest.raises(InputError, match=r"runs/baseline-4/lanes\.parquet: missing"):
        files.runs(params, "lanes.parquet")


def test_a_failed_write_leaves_the_old_file() -> None:
    path = Path("folder/answer.json")
    files.write_json(path, {"answer": 42})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"answer": float("nan")})
    assert path.read_text() == '{\n  "answer": 42\n}\n'
    assert os.listdir("folder") == ["answer.json"]


def test_a_disk_that_fills_up_leaves_nothing_half_written() -> None:
    class Large(pd.DataFrame):
        def to_csv(self, place: Path, **_: object) -> None:  # type: ignore[override]
            place.write_text("half of it")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        files.write_csv(Path("folder/table.csv"), Large())
    assert os.listdir("folder") == []
