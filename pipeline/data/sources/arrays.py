"""The arrays x and y: a file .npz or .safetensors, or a folder with x.npy and y.npy, which need not
fit in memory; never anything pickled."""

import zipfile
from pathlib import Path

import numpy as np

from pipeline.data.examples import FEW_VALUES, Array, Examples, Source, chunks
from pipeline.data.splits import check_classes
from pipeline.data.table.columns import LARGEST
from pipeline.errors import InputError

KEPT = (np.uint8, np.float32, np.float64)
"""Types that inputs keep."""


def read(path: Path, task: str) -> Source:
    """x: (examples, features) or (examples, channels, height, width); y: (examples,), whole
    numbers or text for classes.

    Raises InputError for a file that lacks one of them, is pickled, or holds other shapes.
    """
    stored = loaded(path)
    for name in ("x", "y"):
        if name not in stored:
            raise InputError(f"{path}: holds no array {name!r}")
    x, y = stored["x"], stored["y"]
    check_shapes(path, x, y)
    labels, classes = labelled(path, y.reshape(len(y)), task)
    names = tuple(f"{'x' if x.ndim == 2 else 'channel '}{place}" for place in range(x.shape[1]))
    inputs = x if x.dtype in KEPT else x.astype(np.float64)
    return Source(Examples(inputs, labels), names, classes)


def loaded(path: Path) -> dict[str, Array]:
    """The arrays of the file by name."""
    if not path.exists():
        raise InputError(f"data.path: '{path}' does not exist")
    if path.is_dir():
        return {name: mapped(path / f"{name}.npy") for name in ("x", "y")}
    if path.suffix not in (".npz", ".safetensors"):
        raise InputError(
            f"data.path: '{path}' ends in neither .npz nor .safetensors and is no folder"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, "numpy") as tensors:
                known = set(tensors.keys())
                return {name: tensors.get_tensor(name) for name in ("x", "y") if name in known}
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("x", "y") if name in file.files}
            return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    except Exception as error:  # safetensors' error is no public class; numpy raises several
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise InputError(f"{path}: holds pickled objects, which are never loaded") from None
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, zipfile.BadZipFile | ValueError):
            reason = f"is not what its ending says: {reason}"
        raise InputError(f"{path}: {reason}") from None


def mapped(path: Path) -> Array:
    """An array that stays in its file.

    Raises InputError where there is none, and for pickled objects.
    """
    if not path.is_file():
        raise InputError(f"data.path: '{path.parent}' has no {path.name}")
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no array that can be read: {error}") from None
    return array


def check_shapes(path: Path, x: Array, y: Array) -> None:
    """Refuse inputs that are no numbers or of another shape, and targets of another length."""
    if x.dtype.kind not in "fiub":
        raise InputError(f"{path}: x holds {x.dtype}, which is no number")
    if x.ndim not in (2, 4) or 0 in x.shape:
        raise InputError(
            f"{path}: x has the shape {x.shape}; it must be (examples, features) or "
            "(examples, channels, height, width)"
        )
    if x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
        rule = "which looks like (examples, height, width, channels); channels come second"
        raise InputError(f"{path}: x has the shape {x.shape}, {rule}")
    if y.shape not in ((len(x),), (len(x), 1)):
        raise InputError(f"{path}: y has the shape {y.shape} and x has {len(x)} examples")
    first = 0
    for chunk in chunks(x):
        if not np.isfinite(chunk).all():
            row, *place = np.argwhere(~np.isfinite(chunk))[0].tolist()
            value = chunk[(row, *place)]
            raise InputError(f"{path}: x{[first + row, *place]} is {value}, which is not finite")
        first += len(chunk)
    for name, array in (("x", x), ("y", y)):
        if array.dtype.kind == "f" and any(is_beyond(chunk) for chunk in chunks(array)):
            raise InputError(f"{path}: {name} holds numbers beyond {LARGEST:g}")


def is_beyond(numbers: Array) -> bool:
    """Whether a finite number is too large to square."""
    return bool(np.abs(numbers[np.isfinite(numbers)]).max(initial=0) > LARGEST)


def labelled(path: Path, y: Array, task: str) -> tuple[Array, tuple[str, ...]]:
    """Labels from 0 and the classes' names, or targets and none."""
    is_number = y.dtype.kind in "fiub"
    if is_number and not np.isfinite(y).all():
        raise InputError(f"{path}: y[{int(np.argmin(np.isfinite(y)))}] is not finite")
    if not is_number and (task == "regression" or y.dtype.kind != "U"):
        raise InputError(f"{path}: y holds {y.dtype}, which does not fit data.task={task}")
    values, labels = np.unique(y, return_inverse=True)
    few = len(values) <= FEW_VALUES and is_number and bool((values == np.floor(values)).all())
    if task == "regression" or (task == "auto" and is_number and not few):
        if len(values) < 2:
            raise InputError(f"{path}: y has the single value {values[0]}")
        return y.astype(np.float64), ()
    classes = tuple(str(value.item() if is_number else value) for value in values)
    check_classes(labels, classes)
    return labels.astype(np.int64), classes
