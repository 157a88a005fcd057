"""The ``augmentation`` section: how examples are changed anew in every epoch."""

from dataclasses import dataclass

from pipeline.errors import require


@dataclass(frozen=True)
class Augmentation:
    """Of images and of texts; what is drawn depends on seed, epoch and example alone.

    crop: an image moves by up to so many pixels, over zeros; flip: half of them are mirrored left
    to right; cutout: the side of a square of zeros. shift: the windows of a text begin at another
    token in every epoch.
    """

    crop: int = 0
    flip: bool = False
    cutout: int = 0
    shift: bool = False

    @property
    def of_images(self) -> bool:
        """Whether images are changed."""
        return bool(self.crop or self.flip or self.cutout)

    def __bool__(self) -> bool:
        return self.of_images or self.shift

    def check(self, task: str, shape: tuple[int, ...]) -> None:
        """Refuse what cannot be done to examples of this task and shape.

        Raises InputError.
        """
        is_text = task == "language"
        require(not self.shift or is_text, "augmentation.shift", self.shift, "is for a text")
        rule = f"is for images, and the examples have shape {shape}"
        is_possible = not self.of_images or (len(shape) == 3 and not is_text)
        told = {"crop": self.crop, "flip": self.flip, "cutout": self.cutout}
        name, value = next((item for item in told.items() if item[1]), ("crop", 0))
        require(is_possible, f"augmentation.{name}", value, rule)
        for name in ("crop", "cutout"):
            rule = f"is beyond the images' side of {min(shape[-2:], default=0)} pixels"
            pixels = told[name]
            require(pixels == 0 or pixels <= min(shape[-2:]), f"augmentation.{name}", pixels, rule)

    def __post_init__(self) -> None:
        for name in ("crop", "cutout"):
            pixels = getattr(self, name)
            require(pixels >= 0, f"augmentation.{name}", pixels, "is below 0")
