"""From a table to parts: splits, bad input, and any table at all."""

import gzip
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makers.project import SHARED_DATA
from makers.tables import PLAIN, csv, prepared, refused, write
from pipeline.data import description
from pipeline.data.preparation import prepare
from pipeline.errors import InputError
from pipeline.params.data import Data, Split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


class TestSplits:
    def test_groups_and_times_are_no_features(self, folder: Path) -> None:
        text = csv("a,when,y", lambda k: f"{k % 7},2020-01-{k % 28 + 1:02d},{k % 2}")
        path = write(folder, text)
        for kind in ("group", "time"):
            assert prepared(path, split=Split(by="when", kind=kind)).features == ("a",)

    def test_a_limit_draws_rows_with_a_target(self, folder: Path) -> None:
        text = csv("a,y", lambda k: f"{k % 7},{'' if k < 5 else k % 2}")
        path = write(folder, text)
        made = prepare(Data("table", str(path), "y", "auto", limit=20), 0)
        assert sum(map(len, made.parts.values())) == 20
        assert made.notes[0].endswith("were left out: they have no target")
        assert made.notes[1].endswith("were left out: data.limit")

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
