"""The data sets that come with scikit-learn, and files in the layouts of others."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.params.data import Data

EMBEDDED = ["digits", "breast_cancer", "wine", "diabetes"]


def data_of(source: str, **keys: Any) -> Data:
    """The ``data`` section for a source."""
    task = "regression" if source == "diabetes" else "classification"
    return Data(**({"source": source, "task": task} | keys))


def text(characters: int) -> str:
    """Words that follow each other by chance."""
    words = ("to", "be", "or", "not", "that", "is", "the", "question")
    drawn = np.random.default_rng(0).choice(words, characters // 2)
    return " ".join(drawn)[:characters]


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write bytes in MNIST's format."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())
