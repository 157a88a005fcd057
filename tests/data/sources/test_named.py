"""Data sets by name."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from makers.project import SHARED_DATA
from makers.sources import data_of, write_idx
from pipeline.data.preparation import prepare, read
from pipeline.errors import InputError
from pipeline.params.data import Split


@pytest.fixture
def tiny_mnist(tmp_path: Path) -> Path:
    """A hundred images in torchvision's MNIST layout."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (100, 28, 28))
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(100) % 10)
    return tmp_path


class TestSources:
    def test_digits_are_small_grey_images(self) -> None:
        source = read(data_of("digits"))
        assert source.examples.x.shape == (1797, 1, 8, 8)
        assert source.examples.x.dtype == np.uint8
        assert source.classes == tuple("0123456789")

    def test_diabetes_keeps_its_own_units(self) -> None:
        source = read(data_of("diabetes"))
        assert source.examples.x.shape == (442, 10)
        assert 19 <= source.examples.x[:, 0].min() <= source.examples.x[:, 0].max() <= 79  # age
        assert source.classes == ()

    def test_images_in_torchvisions_layout(self, tiny_mnist: Path) -> None:
        chosen = data_of("mnist", path=str(tiny_mnist), split=Split(0.8, 0.2, "official"))
        source = read(chosen)
        assert source.examples.x.shape == (100, 1, 28, 28)
        assert source.examples.x.dtype == np.uint8
        assert source.test is not None
        assert [len(part) for part in prepare(chosen, 0).parts.values()] == [80, 20, 100]

    def test_a_limit_thins_the_test_set_alike(self, tiny_mnist: Path) -> None:
        split = Split(0.8, 0.2, "official")
        made = prepare(data_of("mnist", path=str(tiny_mnist), split=split, limit=50), 0)
        assert [len(part) for part in made.parts.values()] == [40, 10, 50]
        assert all(np.ptp(np.bincount(part.y)) == 0 for part in made.parts.values())
        assert made.notes == ("50 of 100 examples were drawn: data.limit",)

    def test_the_real_mnist(self) -> None:
        if not (SHARED_DATA / "MNIST").is_dir():
            pytest.skip("the folder with MNIST's files is absent")
        source = read(data_of("mnist", path=str(SHARED_DATA)))
        assert source.examples.x.shape == (60000, 1, 28, 28)
        assert source.test is not None
        assert np.bincount(source.test.y).tolist() == [
            980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
        ]  # fmt: skip

    @pytest.mark.parametrize("cut", [2, 10, 100])
    def test_a_truncated_file_is_named(self, tiny_mnist: Path, cut: int) -> None:
        path = tiny_mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(InputError, match="train-images-idx3-ubyte"):
            read(data_of("mnist", path=str(tiny_mnist)))

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
    def test_without_files_and_network_it_says_what_belongs_where(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        def offline(*_: object, **__: object) -> None:
            raise URLError("offline")

        monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", offline)
        with pytest.raises(InputError) as error:
            read(data_of(name, path=str(tmp_path)))
        expected = "data_batch_1" if name == "cifar10" else "train-images-idx3-ubyte"
        assert expected in str(error.value)
        assert str(tmp_path) in str(error.value)
