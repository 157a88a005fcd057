"""Folders of images and files of arrays of the user's own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

from pipeline.data import arrays, images
from pipeline.data.preparation import prepare
from pipeline.errors import InputError
from pipeline.params import Data, Images

NUMBERS = np.random.default_rng(0)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures in each of two classes, of several sizes, modes and formats."""
    for label, shade in (("dark", 40), ("light", 200)):
        (tmp_path / label).mkdir()
        for k in range(6):
            pixels = NUMBERS.integers(shade, shade + 20, (10 + k, 12, 3), dtype=np.uint8)
            mode = ("RGB", "L", "RGBA")[k % 3]
            name = f"{k}.{('png', 'bmp')[k % 2]}"
            Image.fromarray(pixels).convert(mode).save(tmp_path / label / name)
    return tmp_path


class TestImages:
    @pytest.mark.parametrize(("channels", "depth"), [("grey", 1), ("rgb", 3)])
    def test_every_picture_has_one_shape(self, pictures: Path, channels: str, depth: int) -> None:
        found = images.read(pictures, Images(8, channels))
        assert found.examples.x.shape == (12, depth, 8, 8)
        assert found.examples.x.dtype == np.uint8
        assert found.classes == ("dark", "light")
        assert found.examples.x[found.examples.y == 0].max() < 100
        assert found.examples.x[found.examples.y == 1].min() > 190

    def test_they_become_a_data_set(self, pictures: Path) -> None:
        found = prepare(Data("images", str(pictures), images=Images(8)), 0)
        assert [len(part) for part in found.parts.values()] == [6, 3, 3]

    def test_corrupt_files_are_listed_or_skipped(self, pictures: Path) -> None:
        (pictures / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
        whole = (pictures / "dark" / "0.png").read_bytes()
        (pictures / "light" / "cut.png").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="2 of 14 files cannot be read") as error:
            images.read(pictures, Images())
        assert "dark/broken.png" in str(error.value)
        assert "light/cut.png" in str(error.value)
        found = images.read(pictures, Images(corrupt="skip"))
        assert len(found.examples) == 12
        assert found.notes == ("2 files that cannot be read were left out",)

    def test_a_bomb_is_refused_by_its_claimed_size(self, pictures: Path) -> None:
        path = pictures / "dark" / "bomb.png"
        Image.new("L", (8, 8)).save(path)
        claim = bytearray(path.read_bytes())
        claim[16:24] = (60_000).to_bytes(4, "big") * 2
        path.write_bytes(claim)
        with pytest.raises(InputError, match=r"bomb\.png"):
            images.read(pictures, Images())

    def test_a_picture_is_laid_upright_and_on_white(self, tmp_path: Path) -> None:
        for label in ("a", "b"):
            (tmp_path / label).mkdir()
            left = np.zeros((8, 8, 3), dtype=np.uint8)
            left[:, :4] = 255
            turned = Image.Exif()
            turned[0x0112] = 6  # to be turned clockwise: what lies left comes to the top
            Image.fromarray(left).save(tmp_path / label / "turned.png", exif=turned)
            Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / label / "clear.png")
        found = images.read(tmp_path, Images(8))
        clear, upright = found.examples.x[:2, 0]
        assert (clear == 255).all()
        assert upright[:3].min() > 200
        assert upright[-3:].max() < 50

    def test_what_is_no_picture_of_a_class(self, pictures: Path) -> None:
        (pictures / ".ipynb_checkpoints").mkdir()
        (pictures / "dark" / "._0.png").write_bytes(b"left by a system")
        (pictures / "dark" / "photo.heic").write_bytes(b"of another format")
        found = images.read(pictures, Images())
        assert found.classes == ("dark", "light")
        assert found.notes == ("1 files were left out by their ending: .heic",)

    def test_more_than_eight_bits_are_refused(self, pictures: Path) -> None:
        Image.fromarray(np.full((4, 4), 4000, dtype=np.uint16)).save(pictures / "dark" / "deep.png")
        with pytest.raises(InputError, match="more than 8 bits"):
            images.read(pictures, Images())

    def test_parts_are_no_classes(self, tmp_path: Path) -> None:
        for part in ("train", "test"):
            (tmp_path / part / "cat").mkdir(parents=True)
        with pytest.raises(InputError, match="which are parts, no classes"):
            images.read(tmp_path, Images())

    def test_folders_that_hold_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            images.read(tmp_path / "none", Images())
        with pytest.raises(InputError, match="each class needs one"):
            images.read(tmp_path, Images())
        (tmp_path / "cats").mkdir()
        with pytest.raises(InputError, match="holds no image"):
            images.read(tmp_path, Images())
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="is no folder"):
            images.read(tmp_path / "file", Images())


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
