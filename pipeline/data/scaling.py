"""Scalers as plain numbers: ``(x - offset) * scale`` per feature or channel.

scikit-learn fits them, on the training part only and in chunks, so that memory stays bounded.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from pipeline.data.examples import Array

CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Scaler:
    """One offset and one scale for each feature (tables) or channel (images)."""

    offset: tuple[float, ...]
    scale: tuple[float, ...]


def by_feature(x: Array) -> Array:
    """View as rows x features; an image's channel is one feature, each pixel a row.

    x: (examples, features) or (examples, channels, height, width).
    """
    return x if x.ndim == 2 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def fit(x: Array) -> dict[str, Scaler]:
    """Fit every scaling on the training inputs; a constant feature keeps scale 1."""
    minmax, standard = MinMaxScaler(), StandardScaler()
    for start in range(0, len(x), CHUNK_ROWS):
        chunk = by_feature(x[start : start + CHUNK_ROWS]).astype(np.float64)
        minmax.partial_fit(chunk)
        standard.partial_fit(chunk)
    width = x.shape[1]
    return {
        "none": Scaler((0.0,) * width, (1.0,) * width),
        "minmax": Scaler(_plain(minmax.data_min_), _plain(minmax.scale_)),
        "standard": Scaler(_plain(standard.mean_), _plain(1 / standard.scale_)),
    }


def _plain(numbers: Array) -> tuple[float, ...]:
    return tuple(float(number) for number in numbers)
