"""A folder of images, a folder for each class in it, as torchvision's ImageFolder has it."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.data.sources import Array, Examples, Source
from pipeline.errors import InputError
from pipeline.params import Images

MODES = {"grey": "L", "rgb": "RGB"}
CHANNELS = {"grey": ("grey",), "rgb": ("red", "green", "blue")}
MOST_PIXELS = 100_000_000
"""Of one file, before resizing: what claims to be larger is taken for a bomb."""
SHOWN = 5
"""How many bad files a message names."""


def read(path: Path, options: Images) -> Source:
    """Every image below ``path``, resized, uint8 (examples, channels, size, size).

    Raises InputError for a path that is no folder of folders, and lists files that are no images
    unless ``options.corrupt`` is ``skip``.
    """
    files, classes = found(path)
    with ThreadPoolExecutor() as threads:
        decoded = list(threads.map(lambda file: pixels(file, options), [file for file, _ in files]))
    bad = [(file, why) for (file, _), why in zip(files, decoded, strict=True) if is_error(why)]
    if bad and options.corrupt == "refuse":
        raise InputError(
            f"{path}: {len(bad)} of {len(files)} files cannot be read: {listed(path, bad)}; "
            "data.images.corrupt=skip leaves them out"
        )
    good = [
        (image, label)
        for (_, label), image in zip(files, decoded, strict=True)
        if isinstance(image, np.ndarray)
    ]
    if not good:
        raise InputError(f"{path}: none of {len(files)} files can be read: {listed(path, bad)}")
    x, y = np.stack([image for image, _ in good]), np.array([label for _, label in good])
    notes = (f"{len(bad)} files that cannot be read were left out",) if bad else ()
    return Source(Examples(x, y), CHANNELS[options.channels], classes, notes=notes)


def found(path: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """Every file that is named like an image with its class, and the classes, in order."""
    from torchvision.datasets import ImageFolder

    if not path.is_dir():
        rule = "does not exist" if not path.exists() else "is no folder; data=images reads one"
        raise InputError(f"data.path: '{path}' {rule}")
    try:
        folder = ImageFolder(str(path), allow_empty=True)
    except FileNotFoundError:
        raise InputError(f"data.path: '{path}' holds no folder; each class needs one") from None
    except OSError as error:
        raise InputError(f"data.path: '{path}' cannot be read: {error.strerror}") from None
    if not folder.samples:
        raise InputError(
            f"data.path: '{path}' holds no image below its {len(folder.classes)} folders"
        )
    return [(Path(file), label) for file, label in folder.samples], tuple(folder.classes)


def pixels(file: Path, options: Images) -> Array | str:
    """A decoded image (channels, size, size), or why there is none."""
    side = (options.size, options.size)
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            if image.width * image.height > MOST_PIXELS:
                return f"claims {image.width} x {image.height} pixels, above {MOST_PIXELS:,}"
            image.draft(MODES[options.channels], side)
            small = image.convert(MODES[options.channels]).resize(side, Image.Resampling.BILINEAR)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error).replace(repr(str(file)), "the file")
    array = np.asarray(small, dtype=np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def is_error(outcome: Array | str) -> bool:
    """Whether a file could not be read."""
    return isinstance(outcome, str)


def listed(root: Path, bad: list[tuple[Path, Array | str]]) -> str:
    """The first bad files and what is wrong with each."""
    said = [f"{file.relative_to(root)} ({why})" for file, why in bad[:SHOWN]]
    return ", ".join(said) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
