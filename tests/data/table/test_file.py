"""Tables in files of every kind."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from makers.tables import PLAIN, csv, kinds, prepared, write
from pipeline.data.table import prepare

LINES = "p\nq"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


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
        monkeypatch.setattr("pipeline.data.table.file.BLOCK_BYTES", 64)
        pieces = prepared(path)
        assert np.array_equal(pieces.parts["test"].x, whole.parts["test"].x)
        assert np.array_equal(pieces.parts["test"].y, whole.parts["test"].y)

    def test_a_table_too_large_for_double_precision(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(folder, PLAIN)
        double = prepared(path)
        monkeypatch.setattr(prepare, "DOUBLE_BYTES", 0)
        single = prepared(path)
        assert single.parts["train"].x.dtype == np.float32
        np.testing.assert_allclose(single.parts["train"].x, double.parts["train"].x, rtol=1e-6)
