"""A user's own table: what its columns are taken for, and every way in which it can be wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from conftest import SHARED_DATA
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import description, encoding, table
from pipeline.data.columns import Column, Loaded
from pipeline.data.preparation import prepare
from pipeline.data.prepared import Prepared
from pipeline.errors import InputError
from pipeline.params import Data, Split, Table

ROWS = 60
LINES = "p\nq"
SHARES = Split()


def csv(names: str, row: Callable[[int], str], rows: int = ROWS) -> str:
    """A header and so many rows."""
    return "".join(f"{line}\n" for line in [names, *map(row, range(rows))])


PLAIN = csv("a,b,y", lambda k: f"{k % 7},{k * 0.5},{'uvw'[k % 3]}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, content: str | bytes, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def prepared(path: Path, task: str = "auto", split: Split = SHARES, **keys: object) -> Prepared:
    own = Table(**keys)  # type: ignore[arg-type]
    return prepare(Data("table", str(path), "y", task, split, own), 0)


def kinds(found: Prepared) -> dict[str, str]:
    return {column.name: column.kind for column in found.columns}


def refused(path: Path, rule: str, *asked: object, **keys: object) -> None:
    with pytest.raises(InputError, match=rule) as error:
        prepared(path, *asked, **keys)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


class TestReading:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_any_common_separator(self, folder: Path, separator: str) -> None:
        found = prepared(write(folder, PLAIN.replace(",", separator)))
        assert found.features == ("a", "b")
        assert found.classes == ("u", "v", "w")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
    def test_any_encoding(self, folder: Path, encoding: str) -> None:
        path = write(folder, PLAIN.replace("u", "ü").encode(encoding))
        asked = "utf-8" if encoding == "utf-8-sig" else encoding
        assert prepared(path, encoding=asked).classes == ("v", "w", "ü")

    def test_the_same_table_in_every_format(self, folder: Path) -> None:
        plain = prepared(write(folder, PLAIN))
        zipped = prepared(write(folder, gzip.compress(PLAIN.encode()), "own.csv.gz"))
        path = folder / "own.parquet"
        pd.read_csv(folder / "own.csv").to_parquet(path)
        for other in (zipped, prepared(path)):
            assert kinds(other) == kinds(plain)
            for name, part in plain.parts.items():
                assert np.array_equal(other.parts[name].x, part.x)
                assert np.array_equal(other.parts[name].y, part.y)

    def test_a_decimal_comma(self, folder: Path) -> None:
        text = PLAIN.replace(",", ";").replace(".", ",")
        found = prepared(write(folder, text), decimal=",")
        pointed = prepared(write(folder, PLAIN))
        assert np.array_equal(found.parts["train"].x, pointed.parts["train"].x)

    def test_quotes_hold_separators_and_lines(self, folder: Path) -> None:
        text = csv("a,y", lambda k: f'"{(LINES, "p,q")[k % 2]}",{k % 3}')
        found = prepared(write(folder, text))
        assert found.features == ("a = p\nq", "a = p,q")

    def test_a_small_block_changes_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(folder, PLAIN)
        whole = prepared(path)
        monkeypatch.setattr("pipeline.data.tables.BLOCK_BYTES", 64)
        pieces = prepared(path)
        assert np.array_equal(pieces.parts["test"].x, whole.parts["test"].x)
        assert np.array_equal(pieces.parts["test"].y, whole.parts["test"].y)

    def test_a_table_too_large_for_double_precision(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(folder, PLAIN)
        double = prepared(path)
        monkeypatch.setattr(table, "DOUBLE_BYTES", 0)
        single = prepared(path)
        assert single.parts["train"].x.dtype == np.float32
        np.testing.assert_allclose(single.parts["train"].x, double.parts["train"].x, rtol=1e-6)


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


class TestEncoding:
    def load(self, values: list[float], kind: str = "number") -> Loaded:
        return Loaded(Column("a", kind), np.array(values))

    def test_only_the_training_rows_are_fitted(self) -> None:
        values = [1.0, 2.0, 9.0, np.nan, 1000.0]
        found = encoding.encode(self.load(values), np.array([0, 1, 2]), Table())
        assert found.values[3, 0] == 2.0  # the median of 1, 2 and 9
        assert found.features == ("a",)

    def test_missing_training_values_get_an_indicator(self) -> None:
        found = encoding.encode(self.load([1.0, np.nan, 5.0, np.nan]), np.arange(3), Table())
        assert found.values.tolist() == [[1, 0], [3, 1], [5, 0], [3, 1]]

    def test_rare_and_unknown_levels_are_joined(self) -> None:
        places = [0.0] * 10 + [1.0] * 10 + [2.0, 3.0, -1.0]
        loaded = Loaded(Column("a", "category"), np.array(places), ("p", "q", "rare", "new"))
        found = encoding.encode(loaded, np.arange(21), Table(rare=0.1))
        assert found.features == ("a = p", "a = q", "a = (other)")
        assert found.values[-3:].tolist() == [[0, 0, 1]] * 3
        assert found.note == "1 rare level joined: rare"

    @given(st.integers(2, 6))
    def test_levels_are_capped(self, most: int) -> None:
        loaded = Loaded(Column("a", "category"), np.repeat(np.arange(9.0), 5), tuple("abcdefghi"))
        found = encoding.encode(loaded, np.arange(45), Table(levels=most, rare=0))
        assert found.values.shape == (45, most)
        assert (found.values.sum(1) == 1).all()


class TestSplits:
    def test_groups_and_times_are_no_features(self, folder: Path) -> None:
        text = csv("a,when,y", lambda k: f"{k % 7},2020-01-{k % 28 + 1:02d},{k % 2}")
        path = write(folder, text)
        for kind in ("group", "time"):
            assert prepared(path, split=Split(by="when", kind=kind)).features == ("a",)

    def test_a_split_column_must_be_known_and_whole(self, folder: Path) -> None:
        rule = r"data\.split\.by: 'z' is no column of .*own\.csv: a, b, y"
        refused(write(folder, PLAIN), rule, split=Split(by="z"))
        gaps = csv("a,g,y", lambda k: f"{k % 7},{'' if k == 3 else k % 9},{k % 2}")
        refused(write(folder, gaps), "1 rows have no value", split=Split(by="g"))
        words = csv("a,g,y", lambda k: f"{k % 7},{'pq'[k % 2]},{k % 2}")
        split = Split(by="g", kind="time")
        refused(write(folder, words), "neither number nor ISO date", split=split)

    def test_a_class_must_be_trained_on(self, folder: Path) -> None:
        text = csv("a,when,y", lambda k: f"{k % 7},{k},{'late' if k > 50 else 'pq'[k % 2]}")
        split = Split(by="when", kind="time")
        refused(write(folder, text), "class 'late' has no row in the training part", split=split)


BAD = {  # content, file name, options: what the message says
    "empty": ("", "own.csv", {}, r"own\.csv: is empty"),
    "blank": ("\n\n", "own.csv", {}, "its first line"),
    "header only": ("a,y\n", "own.csv", {}, "a header and no rows"),
    "one class": ("a,y\n" + "1,p\n2,p\n3,p\n", "own.csv", {}, "its only value is 'p'"),
    "a class of one row": (PLAIN + "1,2,z\n", "own.csv", {}, "class 'z' has 1 of 61 rows"),
    "target missing": ("a,b\n1,2\n", "own.csv", {}, r"data\.target: 'y' is no column of .*: a, b"),
    "target all missing": ("a,y\n1,\n2,NA\n", "own.csv", {}, "target 'y': every value is missing"),
    "target of names": (
        csv("a,y", lambda k: f"{k},n{k}"), "own.csv", {}, "names are no classes",
    ),
    "mixed types": (
        PLAIN + "oops,1,u\n", "own.csv", {}, "column 'a', row 62: 'oops' is no number",
    ),
    "infinite": (PLAIN + "1,inf,u\n", "own.csv", {}, "column 'b', row 62: is infinite"),
    "too large": (PLAIN + "1,1e300,u\n", "own.csv", {}, r"'b': holds 1e\+300, beyond"),
    "duplicate names": ("a,a,y\n1,2,3\n", "own.csv", {}, "column 'a' is there 2 times"),
    "the target splits": (PLAIN, "own.csv", {"split": Split(by="y")}, "'y' is the target"),
    "the target dropped": (PLAIN, "own.csv", {"drop": ["y"]}, r"data\.table\.drop: 'y' is needed"),
    "another decimal": (
        csv("a;y", lambda k: f"{k % 7},5;{k % 2}"), "own.csv", {},
        r"column 'a', row 2: '0,5' is like a number, and none: data\.table\.decimal is '\.'",
    ),
    "thousands": (
        csv("a;y", lambda k: f"1.{k % 7}00,5;{k % 2}"), "own.csv", {"decimal": ","},
        "is like a number",
    ),
    "per cent": (csv("a,y", lambda k: f"{k % 7}%,{k % 2}"), "own.csv", {}, "is like a number"),
    "target of per cent": (
        csv("a,y", lambda k: f"{k % 7},{k % 2}%"), "own.csv", {}, "like a number",
    ),
    "other dates": (csv("a,y", lambda k: f"1/{k % 7}/2024,{k % 2}"), "own.csv", {}, "like a date"),
    "one training target": (
        csv("t,a,y", lambda k: f"{k},{k % 7},{0.5 if k < 40 else k / 3}"), "own.csv",
        {"split": Split(by="t", kind="time")}, "every target of the training part is 0.5",
    ),
    "no training value": (
        csv("t,a,y", lambda k: f"{k},{'' if k < 40 else k % 7},{k % 2}"), "own.csv",
        {"split": Split(by="t", kind="time")}, "no column has a value in the training rows",
    ),
    "encoding": (
        PLAIN.replace("u", "ü").encode("latin-1"), "own.csv", {}, r"data\.table\.encoding",
    ),
    "binary": (bytes(range(256)), "own.csv", {}, "no text"),
    "short row": (PLAIN + "1,2\n", "own.csv", {}, "Row #62: Expected 3 columns, got 2"),
    "long row": (PLAIN + "1,2,u,4\n", "own.csv", {}, "Row #62: Expected 3 columns, got 4"),
    "not gzip": (PLAIN, "own.csv.gz", {}, "is not what its ending says"),
    "cut gzip": (gzip.compress(PLAIN.encode() * 99)[:200], "own.csv.gz", {}, r"own\.csv\.gz: "),
    "not parquet": (PLAIN, "own.parquet", {}, r"own\.parquet: .*not a parquet file"),
    "unknown ending": (PLAIN, "own.xlsx", {}, r"ends in none of \.csv"),
    "unknown column": (
        PLAIN, "own.csv", {"drop": ["z"]}, r"data\.table\.drop: 'z' is no column of .*: a, b, y",
    ),
    "nothing left": (PLAIN, "own.csv", {"drop": ["a", "b"]}, "no column is left"),
    "no such date": (
        "a,y\n2020-13-45,0\n" + "2020-01-01,1\n2020-01-02,0\n" * 9, "own.csv", {"dates": "days"},
        "column 'a': .*2020-13-45",
    ),
}  # fmt: skip


class TestBadInput:
    @pytest.mark.parametrize("case", BAD)
    def test_it_is_named(self, folder: Path, case: str) -> None:
        content, name, options, rule = BAD[case]
        refused(write(folder, content, name), rule, **options)  # type: ignore[arg-type]

    def test_no_file_a_folder_and_no_permission(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused(folder / "none.csv", "does not exist")
        refused(folder, "is a folder")
        path = write(folder, PLAIN)

        def locked(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")  # whoever runs the tests may be root

        monkeypatch.setattr("builtins.open", locked)
        refused(path, r"own\.csv: cannot be read: Permission denied")

    def test_text_where_regression_needs_numbers(self, folder: Path) -> None:
        refused(write(folder, PLAIN), "target 'y', row 2: 'u' is no number", "regression")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.one_of(
    st.integers(-5, 5).map(str), st.floats(width=32).map(str), TEXTS,
    st.sampled_from(["", "NA", "yes", "no", "2020-01-02", "inf", "1e400", "1e300", ".5", "1."]),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Up to 40 rows of up to 4 columns, each mostly of one mind."""
    rows = draw(st.integers(0, 40))
    columns = {}
    for name in draw(st.lists(TEXTS, min_size=0, max_size=3, unique=True)):
        pool = draw(st.lists(VALUES, min_size=1, max_size=4))
        columns[name] = draw(st.lists(st.sampled_from(pool), min_size=rows, max_size=rows))
    pool = draw(st.lists(VALUES, min_size=1, max_size=3))
    columns["y"] = draw(st.lists(st.sampled_from(pool), min_size=rows, max_size=rows))
    return pd.DataFrame(columns)


@hypothesis.settings(max_examples=60, suppress_health_check=list(hypothesis.HealthCheck))
@given(tables(), st.sampled_from(["auto", "classification", "regression"]), st.booleans())
def test_any_table_is_a_data_set_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, own: pd.DataFrame, task: str, dates: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / "own.csv"
    own.to_csv(path, index=False)
    try:
        found = prepared(path, task, dates="days" if dates else "refuse")
    except InputError:
        return
    for part in found.parts.values():
        assert len(part) > 0
        assert part.x.shape[1] == len(found.features) > 0
    assert len(description.features(found)) == len(found.features)
    assert found.task == "regression" or len(found.classes) >= 2


def test_the_california_housing_table() -> None:
    path = SHARED_DATA / "california_housing.csv"
    if not path.is_file():
        pytest.skip("the folder with california_housing.csv is absent")
    found = prepare(Data("table", str(path), "median_house_value", "auto"), 0)
    assert found.task == "regression"
    assert sum(len(part) for part in found.parts.values()) == 20640
    assert "total_bedrooms is missing" in found.features
    assert "ocean_proximity = INLAND" in found.features
