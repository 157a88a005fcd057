"""Data sets that are known by name: embedded in scikit-learn, or in torchvision's folders.

Images stay uint8, shaped (examples, channels, height, width); tables are float64, shaped
(examples, features). Labels are int64 from 0, regression targets float64.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.examples import Examples, Source
from pipeline.errors import InputError


def digits() -> Source:
    """1797 handwritten digits of 8 x 8 pixels, values 0..16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = bunch.images.astype(np.uint8)[:, None]
    return Source(Examples(x, bunch.target.astype(np.int64)), ("grey",), tuple("0123456789"))


def embedded_table(name: str) -> Source:
    """A table that comes with scikit-learn, its features in their own units."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    classes = tuple(str(label) for label in bunch.get("target_names", ()))
    target = bunch.target.astype(np.int64 if classes else np.float64)
    return Source(
        Examples(bunch.data.astype(np.float64), target), tuple(bunch.feature_names), classes
    )


TORCHVISION = {  # class in torchvision.datasets, folder below data.path
    "mnist": ("MNIST", "MNIST/raw"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
}


def torchvision_images(name: str, root: Path) -> Source:
    """A data set in torchvision's layout below ``root``, downloaded only if absent."""
    class_name, folder = TORCHVISION[name]
    if class_name != "CIFAR10":
        for path in sorted((root / folder).glob("*-ubyte")):
            check_idx(path)
    train, test = (_torchvision_part(class_name, root, folder, part) for part in (True, False))
    channels = ("grey",) if class_name != "CIFAR10" else ("red", "green", "blue")
    classes = tuple(train.classes)
    return Source(_images(train), channels, classes, _images(test))


def _torchvision_part(class_name: str, root: Path, folder: str, train: bool) -> Any:
    from torchvision import datasets

    dataset = getattr(datasets, class_name)
    try:
        return dataset(str(root), train=train, download=False)
    except RuntimeError:  # torchvision's word for absent or damaged files
        pass
    try:
        return dataset(str(root), train=train, download=True)
    except (OSError, RuntimeError) as error:
        files = _expected_files(dataset)
        raise InputError(
            f"data.path: '{root}' lacks {class_name}, and the download failed ({error}); "
            f"put {', '.join(files)} into {root / folder}"
        ) from None


def _expected_files(dataset: Any) -> list[str]:
    if hasattr(dataset, "resources"):
        return [Path(url).stem for url, _ in dataset.resources]
    return [name for name, _ in dataset.train_list + dataset.test_list] + [dataset.meta["filename"]]


def _images(dataset: Any) -> Examples:
    x = np.asarray(dataset.data)
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    return Examples(np.ascontiguousarray(x), np.asarray(dataset.targets, dtype=np.int64))


def check_idx(path: Path) -> None:
    """Refuse an IDX file of unsigned bytes whose size is not what its header says.

    Format: two zero bytes, the type (8), the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the bytes.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if len(magic) < 4 or magic[:3] != b"\0\0\x08":
            raise InputError(f"{path}: starts with {magic.hex()}, which is no IDX file of bytes")
        header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise InputError(f"{path}: ends inside its header; it is truncated")
    shape = struct.unpack(f">{magic[3]}I", header)
    expected, size = 4 + len(header) + int(np.prod(shape)), path.stat().st_size
    if size != expected:
        raise InputError(f"{path}: holds {size} bytes, its header {shape} asks for {expected}")
