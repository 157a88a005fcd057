"""Arrays in files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from pipeline.data import description, scaling
from pipeline.data.preparation import prepare
from pipeline.data.sources import arrays
from pipeline.errors import InputError
from pipeline.params.data import Data
from pipeline.workspace import files

NUMBERS = np.random.default_rng(0)


class TestArrays:
    def save(self, folder: Path, kind: str = "npz", **own: np.ndarray) -> Path:
        path = folder / f"own.{kind}"
        if kind == "npz":
            np.savez(path, **own)
        else:
            save_file(own, path)
        return path

    @pytest.mark.parametrize("kind", ["npz", "safetensors"])
    def test_both_kinds_of_files(self, tmp_path: Path, kind: str) -> None:
        x, y = NUMBERS.normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3 + 5
        path = self.save(tmp_path, kind, x=x, y=y)
        found = prepare(Data("arrays", str(path), task="auto"), 0)
        assert found.task == "classification"
        assert found.classes == ("5", "6", "7")
        assert found.features == ("x0", "x1", "x2", "x3")

    def test_images_keep_their_bytes(self, tmp_path: Path) -> None:
        x = NUMBERS.integers(0, 256, (12, 3, 4, 4), dtype=np.uint8)
        found = arrays.read(self.save(tmp_path, x=x, y=np.array(["p", "q"] * 6)), "auto")
        assert found.examples.x.dtype == np.uint8
        assert found.classes == ("p", "q")

    def test_targets_of_regression(self, tmp_path: Path) -> None:
        path = self.save(tmp_path, x=np.ones((9, 2)), y=np.arange(9)[:, None] / 3)
        found = arrays.read(path, "auto")
        assert found.classes == ()
        assert found.examples.y.shape == (9,)

    def test_many_classes_by_name(self, tmp_path: Path) -> None:
        y = np.array([f"class{k % 25}" for k in range(100)])
        found = arrays.read(self.save(tmp_path, x=np.ones((100, 2)), y=y), "auto")
        assert len(found.classes) == 25

    @pytest.mark.parametrize(
        ("own", "rule"),
        [
            ({"x": np.ones((3, 2))}, "holds no array 'y'"),
            ({"x": np.ones(3), "y": np.arange(3)}, r"x has the shape \(3,\)"),
            ({"x": np.ones((3, 2)), "y": np.arange(4)}, r"y has the shape \(4,\)"),
            ({"x": np.full((3, 2), np.nan), "y": np.arange(3)}, r"x\[0, 0\] is nan"),
            ({"x": np.ones((3, 2)), "y": np.array([0, 1, np.inf])}, r"y\[2\] is not finite"),
            ({"x": np.full((3, 2), 1e200), "y": np.arange(3)}, r"x holds numbers beyond 1e\+30"),
            ({"x": np.ones((9, 8, 8, 3)), "y": np.arange(9)}, "channels come second"),
            ({"x": np.array([["a"]]), "y": np.arange(1)}, "x holds <U1, which is no number"),
            ({"x": np.ones((9, 2)), "y": np.zeros(9)}, "single class"),
            ({"x": np.ones((9, 2)), "y": np.array([0] * 8 + [1])}, "class '1' has 1 of 9 rows"),
        ],
    )
    def test_bad_arrays(self, tmp_path: Path, own: dict[str, np.ndarray], rule: str) -> None:
        with pytest.raises(InputError, match=rule):
            arrays.read(self.save(tmp_path, **own), "auto")

    def test_pickled_objects_are_refused(self, tmp_path: Path) -> None:
        path = self.save(tmp_path, x=np.array([{"a": 1}], dtype=object), y=np.arange(1))
        with pytest.raises(InputError, match="pickled objects, which are never loaded"):
            arrays.read(path, "auto")

    @pytest.mark.parametrize("name", ["own.npz", "own.safetensors", "own.pt"])
    def test_files_that_are_something_else(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        with pytest.raises(InputError, match="does not exist"):
            arrays.read(path, "auto")
        path.write_bytes(b"something else entirely")
        with pytest.raises(InputError, match=name):
            arrays.read(path, "auto")

    @given(st.binary(max_size=200), st.sampled_from(["npz", "safetensors"]))
    def test_any_bytes_are_a_clear_error(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str
    ) -> None:
        path = tmp_path_factory.mktemp("any") / f"own.{kind}"
        path.write_bytes(content)
        with pytest.raises(InputError, match="own"):
            arrays.read(path, "auto")


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        np.save(tmp_path / "x.npy", NUMBERS.normal(size=(40, 5)).astype(np.float32))
        np.save(tmp_path / "y.npy", np.arange(40) % 2)
        return tmp_path

    def test_inputs_stay_in_their_file(self, folder: Path) -> None:
        found = prepare(Data("arrays", str(folder), task="auto"), 0)
        x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")
        whole = folder / "own.npz"
        np.savez(whole, x=x, y=y)
        expected = prepare(Data("arrays", str(whole), task="auto"), 0)
        for name, part in found.parts.items():
            assert not isinstance(part.x, np.ndarray)
            assert part.x.dtype == np.float32
            assert np.array_equal(part.x[:], expected.parts[name].x)
            assert np.array_equal(part.y, expected.parts[name].y)
        for path, made in ((folder / "a", found), (folder / "b", expected)):
            files.write_tensors(path, made.arrays())
        assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
        assert scaling.fit(found.parts["train"].x) == scaling.fit(expected.parts["train"].x)
        pd.testing.assert_frame_equal(description.features(found), description.features(expected))

    def test_those_that_are_drawn_stay_there(self, folder: Path) -> None:
        found = prepare(Data("arrays", str(folder), task="auto", limit=20), 0)
        x = np.load(folder / "x.npy")
        for part in found.parts.values():
            assert not isinstance(part.x, np.ndarray)
            assert all(any(np.array_equal(row, one) for one in x) for row in part.x[:])
        assert sum(map(len, found.parts.values())) == 20

    def test_what_is_missing_or_pickled_is_refused(self, folder: Path) -> None:
        np.save(folder / "y.npy", np.array([{}], dtype=object), allow_pickle=True)
        with pytest.raises(InputError, match=r"y\.npy: is no array that can be read"):
            arrays.read(folder, "auto")
        (folder / "y.npy").unlink()
        with pytest.raises(InputError, match=r"has no y\.npy"):
            arrays.read(folder, "auto")

    def test_a_number_that_is_none_is_named(self, folder: Path) -> None:
        x = np.load(folder / "x.npy")
        x[33, 2] = np.nan
        np.save(folder / "x.npy", x)
        with pytest.raises(InputError, match=r"x\[33, 2\] is nan"):
            arrays.read(folder, "auto")
