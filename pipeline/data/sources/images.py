"""A folder of images, a folder for each class in it, as torchvision's ImageFolder has it."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.data.examples import Array, Examples, Source
from pipeline.errors import InputError
from pipeline.params.data import Images

MODES = {"grey": "L", "rgb": "RGB"}
CHANNELS = {"grey": ("grey",), "rgb": ("red", "green", "blue")}
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes that Pillow would clip to 8 bits."""
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
MOST_PIXELS = 100_000_000
"""Of one file, before resizing: what claims to be larger is taken for a bomb."""
SHOWN = 5
"""How many bad files a message names."""


def read(path: Path, options: Images) -> Source:
    """Every image below ``path``, resized, uint8 (examples, channels, size, size).

    Raises InputError for a path that is no folder of folders, and lists files that are no images
    unless ``options.corrupt`` is ``skip``.
    """
    files, classes = files_and_classes(path)
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
    notes = [f"{len(bad)} files that cannot be read were left out"] if bad else []
    return Source(
        Examples(x, y), CHANNELS[options.channels], classes, notes=(*notes, *other_files(path))
    )


def files_and_classes(path: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """Every file that is named like an image with its class, and the classes, in order."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    if not path.is_dir():
        rule = "does not exist" if not path.exists() else "is no folder; data=images reads one"
        raise InputError(f"data.path: '{path}' {rule}")
    try:
        names = sorted(
            place.name for place in path.iterdir() if place.is_dir() and is_visible(place)
        )
    except OSError as error:
        raise InputError(f"data.path: '{path}' cannot be read: {error.strerror}") from None
    if not names:
        raise InputError(f"data.path: '{path}' holds no folder; each class needs one")
    if set(map(str.lower, names)) <= PARTS:
        rule = f"holds {', '.join(names)}, which are parts, no classes; join their classes"
        raise InputError(f"data.path: '{path}' {rule}")
    places = {name: place for place, name in enumerate(names)}
    samples = make_dataset(str(path), places, IMG_EXTENSIONS, allow_empty=True)
    files = [(Path(file), label) for file, label in samples if is_visible(Path(file))]
    if not files:
        raise InputError(f"data.path: '{path}' holds no image below its {len(names)} folders")
    return files, tuple(names)


def is_visible(path: Path) -> bool:
    """Whether a file or folder is the user's own, and not left there by a system or an editor."""
    return not path.name.startswith((".", "__MACOSX"))


def other_files(path: Path) -> list[str]:
    """How many files are no images by their ending."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    endings = [
        file.suffix.lower()
        for file in path.glob("*/**/*")
        if file.is_file() and is_visible(file) and file.suffix.lower() not in IMG_EXTENSIONS
    ]
    if not endings:
        return []
    return [
        f"{len(endings)} files were left out by their ending: {', '.join(sorted(set(endings)))}"
    ]


def pixels(file: Path, options: Images) -> Array | str:
    """A decoded image (channels, size, size), upright and on white, or why there is none."""
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            if image.width * image.height > MOST_PIXELS:
                return f"claims {image.width} x {image.height} pixels, above {MOST_PIXELS:,}"
            if image.mode in DEEP:
                return f"has the mode {image.mode}, more than 8 bits a pixel: convert it"
            small = opaque(ImageOps.exif_transpose(image)).convert(MODES[options.channels])
            small = small.resize((options.size, options.size), Image.Resampling.BILINEAR)
    except Exception as error:  # Pillow's decoders raise whatever they meet in a damaged file
        return getattr(error, "strerror", None) or str(error).replace(repr(str(file)), "the file")
    array = np.asarray(small, dtype=np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def opaque(image: Image.Image) -> Image.Image:
    """The image laid on white where it is transparent."""
    if not image.has_transparency_data:
        return image
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)


def is_error(outcome: Array | str) -> bool:
    """Whether a file could not be read."""
    return isinstance(outcome, str)


def listed(root: Path, bad: list[tuple[Path, Array | str]]) -> str:
    """The first bad files and what is wrong with each."""
    words = [f"{file.relative_to(root)} ({why})" for file, why in bad[:SHOWN]]
    return ", ".join(words) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
