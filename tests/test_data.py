"""Sources, splits and scaling."""

import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from conftest import SHARED_DATA
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from pipeline.data import scaling, splits, tensors
from pipeline.data.preparation import prepare, read
from pipeline.data.scaling import by_feature
from pipeline.data.sources import Examples
from pipeline.errors import InputError
from pipeline.params import Data, Split

EMBEDDED = ["digits", "breast_cancer", "wine", "diabetes"]


def data(source: str, **keys: object) -> Data:
    task = "regression" if source == "diabetes" else "classification"
    return Data(**({"source": source, "task": task} | keys))  # type: ignore[arg-type]


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


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
        source = read(data("digits"))
        assert source.examples.x.shape == (1797, 1, 8, 8)
        assert source.examples.x.dtype == np.uint8
        assert source.classes == tuple("0123456789")

    def test_diabetes_keeps_its_own_units(self) -> None:
        source = read(data("diabetes"))
        assert source.examples.x.shape == (442, 10)
        assert 19 <= source.examples.x[:, 0].min() <= source.examples.x[:, 0].max() <= 79  # age
        assert source.classes == ()

    def test_images_in_torchvisions_layout(self, tiny_mnist: Path) -> None:
        chosen = data("mnist", path=str(tiny_mnist), split=Split(0.8, 0.2, "official"))
        source = read(chosen)
        assert source.examples.x.shape == (100, 1, 28, 28)
        assert source.examples.x.dtype == np.uint8
        assert source.test is not None
        assert [len(part) for part in prepare(chosen, 0).parts.values()] == [80, 20, 100]

    def test_the_real_mnist(self) -> None:
        if not (SHARED_DATA / "MNIST").is_dir():
            pytest.skip("the folder with MNIST's files is absent")
        source = read(data("mnist", path=str(SHARED_DATA)))
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
            read(data("mnist", path=str(tiny_mnist)))

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
    def test_without_files_and_network_it_says_what_belongs_where(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        def offline(*_: object, **__: object) -> None:
            raise URLError("offline")

        monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", offline)
        with pytest.raises(InputError) as error:
            read(data(name, path=str(tmp_path)))
        expected = "data_batch_1" if name == "cifar10" else "train-images-idx3-ubyte"
        assert expected in str(error.value)
        assert str(tmp_path) in str(error.value)


class TestSplits:
    @pytest.mark.parametrize("name", EMBEDDED)
    def test_parts_are_disjoint_and_complete(self, name: str) -> None:
        source = read(data(name))
        parts = splits.drawn(Split(), source.examples.y, source.classes, 0)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(source.examples)))

    def test_classes_keep_their_shares(self) -> None:
        parts = prepare(data("wine"), 0).parts.values()
        shares = [np.bincount(part.y) / len(part) for part in parts]
        assert np.ptp(shares, axis=0).max() < 0.03

    def test_the_seed_alone_decides(self) -> None:
        first, again, other = (prepare(data("wine"), seed).parts["train"].x for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_a_class_with_one_row_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"class 'y' has 1 of 9 rows"):
            splits.drawn(Split(), np.array([0] * 8 + [1]), ("x", "y"), 0)

    @given(st.lists(st.integers(0, 9), min_size=30, max_size=60), st.integers(0, 5))
    def test_groups_stay_whole(self, groups: list[int], seed: int) -> None:
        if len(set(groups)) < 5:
            return
        own = np.array(groups)
        parts = splits.by_group(Split(), own, seed)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(own)))
        found = [set(own[rows]) for rows in parts.values()]
        assert sum(len(names) for names in found) == len(set(groups))

    @given(st.lists(st.integers(0, 99), min_size=5, max_size=60))
    def test_the_latest_rows_are_the_test_part(self, times: list[int]) -> None:
        own = np.array(times)
        parts = splits.by_time(Split(), own)
        assert own[parts["train"]].max() <= own[parts["val"]].min()
        assert own[parts["val"]].max() <= own[parts["test"]].min()

    def test_too_few_groups_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"data\.split\.by"):
            splits.by_group(Split(), np.zeros(9), 0)


class TestScaling:
    @pytest.mark.parametrize("name", EMBEDDED)
    @pytest.mark.parametrize(
        ("scaler", "reference"), [("minmax", MinMaxScaler), ("standard", StandardScaler)]
    )
    def test_equals_scikit_learn(self, name: str, scaler: str, reference: type) -> None:
        parts = prepare(data(name), 0).parts
        numbers = scaling.fit(parts["train"].x)[scaler]
        ours = tensors.scaled(
            torch.from_numpy(parts["test"].x), list(numbers.offset), list(numbers.scale)
        )
        fitted = reference().fit(by_feature(parts["train"].x).astype(float))
        theirs = fitted.transform(by_feature(parts["test"].x).astype(float))
        assert np.abs(by_feature(ours.numpy()) - theirs).max() < 1e-6

    def test_none_changes_nothing(self) -> None:
        x = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
        numbers = scaling.fit(x.numpy())["none"]
        assert torch.equal(tensors.scaled(x, list(numbers.offset), list(numbers.scale)), x.float())

    @given(
        arrays(np.float64, (20, 3), elements=st.floats(-1e6, 1e6)),
        st.sampled_from(["minmax", "standard"]),
    )
    def test_any_table_gets_finite_numbers(self, x: np.ndarray, scaler: str) -> None:
        numbers = scaling.fit(x)[scaler]
        assert np.isfinite(numbers.offset).all()
        assert np.isfinite(numbers.scale).all()

    def test_a_constant_feature_stays_finite(self) -> None:
        numbers = scaling.fit(np.full((5, 1), 7.0))
        assert numbers["standard"].scale == numbers["minmax"].scale == (1.0,)


def test_an_input_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        Examples(np.array([[np.nan]]), np.array([0]))
