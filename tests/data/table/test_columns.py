"""What the columns of a table are taken for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from makers.tables import PLAIN, ROWS, csv, kinds, prepared, refused, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


class TestColumns:
    def test_what_they_are_taken_for(self, folder: Path) -> None:
        own = pd.DataFrame(
            {
                "row": range(ROWS),
                "name": [f"n{k}" for k in range(ROWS)],
                "same": 3,
                "empty": np.nan,
                "flag": ["yes", "no"] * (ROWS // 2),
                "level": ["p", "q", "r"] * (ROWS // 3),
                "number": [None if k % 5 == 0 else k % 7 / 2 for k in range(ROWS)],
                "y": [k % 2 for k in range(ROWS)],
            }
        )
        own.to_csv(folder / "own.csv", index=False)
        found = prepared(folder / "own.csv")
        expected = dict.fromkeys(("row", "name", "same", "empty"), "dropped")
        assert kinds(found) == expected | {"flag": "flag", "level": "category", "number": "number"}
        assert found.features == (
            "flag", "level = p", "level = q", "level = r", "number", "number is missing",
        )  # fmt: skip
        why = {column.name: column.why for column in found.columns}
        assert "counts the rows" in why["row"]
        assert "hardly a value is there twice" in why["name"]
        assert "'3'" in why["same"]
        assert "missing" in why["empty"]
        assert "missing values became" in why["number"]

    def test_the_target_tells_the_task(self, folder: Path) -> None:
        path = write(folder, csv("a,y", lambda k: f"{k % 7},{k / 3}"))
        assert prepared(path).task == "regression"
        assert prepared(write(folder, PLAIN)).task == "classification"
        whole = write(folder, csv("a,y", lambda k: f"{k % 7},{k % 11}"))
        assert prepared(whole).classes == tuple(str(k) for k in range(11))
        assert prepared(whole, "regression").task == "regression"

    def test_numbers_that_are_names(self, folder: Path) -> None:
        found = prepared(write(folder, PLAIN), categorical=["a"])
        assert found.features[:2] == ("a = 0", "a = 1")

    def test_dates_become_days_on_request(self, folder: Path) -> None:
        path = write(folder, csv("a,y", lambda k: f"1970-01-{k % 28 + 1:02d},{k % 2}"))
        refused(path, r"column 'a' holds dates; data\.table\.dates=days")
        found = prepared(path, dates="days")
        assert set(np.unique(found.parts["train"].x)) <= set(range(28))

    def test_times_with_a_zone(self, folder: Path) -> None:
        text = csv("a,y", lambda k: f"1970-01-0{k % 3 + 1}T02:00:00+02:00,{k % 2}")
        found = prepared(write(folder, text), dates="days")
        assert set(np.unique(found.parts["train"].x)) == {0, 1, 2}

    def test_classes_that_are_numbers_are_told_apart_by_value(self, folder: Path) -> None:
        text = csv("a,y", lambda k: f"{k % 7},{('0', '1', '1.0', '10')[k % 4]}")
        assert prepared(write(folder, text)).classes == ("0", "1", "10")

    def test_none_is_a_level(self, folder: Path) -> None:
        text = csv("a,y", lambda k: f"{k % 7},{('none', 'mild')[k % 2]}")
        assert prepared(write(folder, text)).classes == ("mild", "none")

    def test_the_task_does_not_depend_on_the_order_of_rows(self, folder: Path) -> None:
        rows = [f"{k % 7},{k // 1000}" for k in range(30_000)]
        tasks = []
        for own in (rows, rows[::-1], rows[::2] + rows[1::2]):
            text = csv("a,y", own.__getitem__, len(own))
            tasks.append(prepared(write(folder, text)).task)
        assert tasks == ["regression"] * 3

    def test_a_dropped_column_may_hold_anything(self, folder: Path) -> None:
        own = pa.table({"a": [0, 1, 2] * 9, "b": [[1]] * 27, "y": [0, 1, 1] * 9})
        pyarrow.parquet.write_table(own, folder / "own.parquet")
        assert prepared(folder / "own.parquet", drop=["b"]).features == ("a",)

    def test_what_excel_writes(self, folder: Path) -> None:
        text = '\ufeffsep=;\r\n;"a\nlong name";y\r\n'
        text += "".join(f"{k};{k % 7};{k % 2}\r\n" for k in range(ROWS))
        found = prepared(write(folder, text))
        assert kinds(found) == {"column 1": "dropped", "a long name": "number"}

    def test_rows_without_a_target_are_left_out_and_counted(self, folder: Path) -> None:
        found = prepared(write(folder, PLAIN + "1,2.5,\n3,4.5,NA\n"))
        assert sum(len(part) for part in found.parts.values()) == ROWS
        assert found.notes == ("2 of 62 rows were left out: they have no target",)

    def test_typed_files_keep_their_types(self, folder: Path) -> None:
        own = pa.table(
            {
                "flag": pa.array([True, False, None] * 20),
                "day": pa.array([k % 9 for k in range(ROWS)], pa.date32()),
                "level": pa.array(["p", "q"] * 30).dictionary_encode(),
                "y": pa.array([k % 2 for k in range(ROWS)], pa.int8()),
            }
        )
        pyarrow.parquet.write_table(own, folder / "own.parquet")
        found = prepared(folder / "own.parquet", dates="days")
        assert kinds(found) == {"flag": "flag", "day": "date", "level": "category"}
        assert found.classes == ("0", "1")

    def test_lists_inside_a_typed_file_are_refused(self, folder: Path) -> None:
        own = pa.table({"a": pa.array([[1, 2]] * 9), "y": pa.array([0, 1, 2] * 3)})
        pyarrow.parquet.write_table(own, folder / "own.parquet")
        refused(folder / "own.parquet", "column 'a' holds list")
