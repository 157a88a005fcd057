"""A text: its documents, its tokens, the windows of its three parts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import description
from pipeline.data.preparation import prepare
from pipeline.data.prepared import Prepared
from pipeline.data.text.prepare import in_windows
from pipeline.data.text.tokens import vocabulary
from pipeline.errors import InputError
from pipeline.params.data import Data, Split, Text
from pipeline.workspace.files import write_csv

SHARES = Split(0.8, 0.1, 0.1)


def data_of(path: Path, shares: Split = SHARES, **keys: Any) -> Data:
    return Data("text", str(path), task="language", split=shares, text=Text(**keys))


def prepared(folder: Path, text: str, **keys: Any) -> Prepared:
    path = folder / "own.txt"
    path.write_text(text, encoding="utf-8")
    return prepare(data_of(path, **keys), 0)


def test_targets_are_the_next_tokens_and_parts_follow_each_other(tmp_path: Path) -> None:
    text = "abcdefghij" * 10
    found = prepared(tmp_path, text, context=3)
    names = np.array(found.classes)
    assert "".join(names) == "abcdefghij"
    train = found.parts["train"]
    assert train.x.shape == train.y.shape == (26, 3)
    assert train.x.dtype == np.uint8
    assert "".join(names[train.x.ravel()]) == text[:78]
    assert "".join(names[train.y.ravel()]) == text[1:79]
    assert "".join(names[found.parts["val"].x.ravel()]) == text[80:89]
    assert "".join(names[found.parts["test"].y.ravel()]) == text[91:100]


@given(length=st.integers(2, 60), context=st.integers(1, 12))
def test_every_window_is_followed_by_its_targets(length: int, context: int) -> None:
    tokens = np.arange(length, dtype=np.int32)
    if length <= context:
        with pytest.raises(InputError, match=r"data\.text\.context"):
            in_windows("val", tokens, context)
        return
    found = in_windows("val", tokens, context)
    assert (found.y == found.x + 1).all()
    assert (found.x.ravel() == tokens[: found.x.size]).all()
    assert length - 1 - found.x.size < context


def test_characters_that_training_lacks_are_one_token(tmp_path: Path) -> None:
    found = prepared(tmp_path, "ab" * 40 + "xyabababab" + "zbabababab", context=4)
    assert found.classes == ("a", "b", "unknown")
    assert found.parts["val"].x[0].tolist() == [2, 2, 0, 1]
    assert found.notes[-1] == "1 characters that the training part does not have are one token"


def test_bytes_are_those_of_utf8(tmp_path: Path) -> None:
    found = prepared(tmp_path, "é€" * 50, tokens="byte", context=5)
    assert bytes(found.parts["train"].x[0]) == "é€".encode()
    assert len(found.classes) == 256


@given(st.text(min_size=1))
def test_any_text_is_encoded_character_by_character(text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        return
    words = vocabulary("char", [text], [])
    assert [words.names[place] for place in words.numbers([text])] == list(text)


class TestTokenizer:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        tokenizers = pytest.importorskip("tokenizers", reason="the library tokenizers is not there")
        model = tokenizers.models.WordLevel({"?": 0, "to": 1, "be": 2, "or": 3}, unk_token="?")
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        path = tmp_path / "tokenizer.json"
        tokenizer.save(str(path))
        return path

    def test_a_file_of_the_library(self, tmp_path: Path, file: Path) -> None:
        found = prepared(tmp_path, "to be or not to be " * 30, tokens=str(file), context=3)
        assert found.classes == ("?", "to", "be", "or")
        assert found.parts["train"].x[:2].tolist() == [[1, 2, 3], [0, 1, 2]]

    def test_what_a_file_cuts_off_stays(self, tmp_path: Path, file: Path) -> None:
        content = json.loads(file.read_text())
        content["truncation"] = {
            "direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0,
        }  # fmt: skip
        file.write_text(json.dumps(content))
        found = prepared(tmp_path, "to be or not to be " * 30, tokens=str(file), context=3)
        assert len(found.parts["train"]) > 40

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("tokenizers", reason="the library tokenizers is not there")
        other = tmp_path / "other.json"
        other.write_text("{}")
        with pytest.raises(InputError, match=r"other\.json is no tokenizer's file"):
            prepared(tmp_path, "to be " * 30, tokens=str(other))

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        pytest.importorskip("tokenizers", reason="the library tokenizers is not there")
        with pytest.raises(InputError, match="'word' is neither 'char' nor 'byte' nor a file"):
            prepared(tmp_path, "to be " * 30, tokens="word")


class TestDocuments:
    TEXTS = tuple(f"{letter * 9}" for letter in "abcdefgh")

    def write(self, folder: Path, kind: str) -> Path:
        path = folder / f"own.{kind}"
        if kind == "jsonl":
            path.write_text("\n".join(json.dumps({"text": text}) for text in self.TEXTS))
        elif kind == "parquet":
            pd.DataFrame({"text": self.TEXTS}).to_parquet(path)
        else:
            path.mkdir()
            for place, text in enumerate(self.TEXTS):
                (path / f"{place}.txt").write_text(text)
        return path

    @pytest.mark.parametrize("kind", ["jsonl", "parquet", "folder"])
    def test_all_kinds_hold_the_same(self, tmp_path: Path, kind: str) -> None:
        found = prepare(data_of(self.write(tmp_path, kind), context=4), 0)
        names = np.array(found.classes)
        assert "".join(names[found.parts["train"].x.ravel()]).startswith(
            "aaaaaaaaa\nbbbbbbbbb\nccc"
        )
        assert found.notes[0] == "8 documents"

    @pytest.mark.parametrize("seed", range(5))
    def test_a_document_lies_in_one_part_whole(self, tmp_path: Path, seed: int) -> None:
        path = self.write(tmp_path, "jsonl")
        found = prepare(
            data_of(path, Split(0.5, 0.3, 0.2), tokens="byte", context=1, split="document"), seed
        )
        letters = [set(part.x.ravel().tolist()) - {10} for part in found.parts.values()]
        assert sum(len(each) for each in letters) == len(set().union(*letters)) == len(self.TEXTS)
        assert all(letters)

    @pytest.mark.parametrize("count", range(3, 13))
    def test_every_part_has_a_document(self, tmp_path: Path, count: int) -> None:
        for place in range(count):
            (tmp_path / f"{place}.txt").write_text("abcdefghij" * 3)
        shares = Split(0.9, 0.05, 0.05)
        found = prepare(data_of(tmp_path, shares, context=4, split="document"), 0)
        assert sum(len(part) >= 7 for part in found.parts.values()) == 3

    def test_two_documents_make_no_three_parts(self, tmp_path: Path) -> None:
        (tmp_path / "own").mkdir()
        for name in "ab":
            (tmp_path / "own" / f"{name}.txt").write_text(name * 50)
        with pytest.raises(InputError, match="needs at least 3 documents, and there are 2"):
            prepare(data_of(tmp_path / "own", split="document"), 0)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("own.txt", b"", "holds no text"),
        ("own.txt", b"a", "part of 1 characters is empty"),
        ("own.txt", b"ab" * 20, r"data\.text\.context: 64 is longer than the train part"),
        ("own.txt", b"ab\xff", "byte 2 is no UTF-8 text"),
        ("own.jsonl", b'{"text": "a"}\n{"text', "line 2 is no JSON"),
        ("own.jsonl", b'{"text": "a"}\n{"text": 3}', "line 2 has no text under data.text.key='te"),
        ("own.jsonl", b"[1]", "line 1 has no text"),
        ("own.jsonl", b'{"text": "\\ud800"}', "line 1 has half a character"),
        ("own.parquet", b"PAR", "is no Parquet file"),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rule):
        prepare(data_of(tmp_path / name), 0)


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ({"body": ["a"]}, "'text' is no column of .*own.parquet, which has body"),
        ({"text": [1]}, "holds int64, no text"),
    ],
)
def test_bad_columns_are_named(tmp_path: Path, table: dict[str, Any], rule: str) -> None:
    pd.DataFrame(table).to_parquet(tmp_path / "own.parquet")
    with pytest.raises(InputError, match=rule):
        prepare(data_of(tmp_path / "own.parquet"), 0)


def test_a_limit_leaves_the_beginning(tmp_path: Path) -> None:
    whole = prepared(tmp_path, "abcdefghij" * 10, context=3)
    found = prepared(tmp_path, "abcdefghij" * 10 + "xyz", context=3, limit=100)
    assert found.classes == whole.classes
    assert (found.parts["test"].y == whole.parts["test"].y).all()
    (tmp_path / "own.txt").rename(tmp_path / "b.txt")
    (tmp_path / "a.txt").write_text("xyz" * 10)
    cut = prepare(data_of(tmp_path, context=2, limit=60), 0)
    assert cut.notes[0] == "2 documents"
    assert "".join(cut.classes[:4]) == "\nabc"


def test_a_limit_on_validation_draws_windows(tmp_path: Path) -> None:
    whole = prepared(tmp_path, "a few words " * 50, context=3)
    data = replace(data_of(tmp_path / "own.txt", context=3), val_limit=10)
    limited = prepare(data, 0)
    assert (len(whole.parts["val"]), len(limited.parts["val"])) == (19, 10)
    windows = {row.tobytes() for row in whole.parts["val"].x}
    assert {row.tobytes() for row in limited.parts["val"].x} <= windows
    assert np.array_equal(whole.parts["test"].y, limited.parts["test"].y)


def test_a_folder_without_text_and_a_path_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file that ends in"):
        prepare(data_of(tmp_path), 0)
    with pytest.raises(InputError, match="does not exist"):
        prepare(data_of(tmp_path / "none.txt"), 0)


def test_any_token_can_be_read_back_by_name(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(json.dumps({"text": 'a\r\n"b",\x85 ' * 30}))
    table = description.classes(prepare(data_of(tmp_path / "own.jsonl", context=4), 0))
    write_csv(tmp_path / "classes.csv", table)
    back = pd.read_csv(tmp_path / "classes.csv", keep_default_na=False)
    assert back["class"].tolist() == ["\\n", "\\r", " ", '"', ",", "a", "b", "\\x85"]
    assert back["train"].tolist() == table["train"].tolist()


def test_a_text_of_one_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every target of the training part is"):
        prepared(tmp_path, "a" * 300, context=8)
