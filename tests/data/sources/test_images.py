"""A folder of images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.preparation import prepare
from pipeline.data.sources import images
from pipeline.errors import InputError
from pipeline.params.data import Data, Images

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
