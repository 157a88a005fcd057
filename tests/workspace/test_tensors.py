"""Files of tensors, written piece by piece."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from pipeline.workspace import files

NUMBERS = np.random.default_rng(0)


@pytest.mark.parametrize("chunk_bytes", [1, 64, files.CHUNK_BYTES])
def test_the_bytes_are_the_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk_bytes)
    tensors = {
        f"{kind} é": NUMBERS.normal(size=shape).astype(kind)
        for kind, shape in zip(
            files.TENSOR_TYPES, [(3,), (2, 3), (), (0, 4), (4, 1, 2), *[(5,)] * 7], strict=True
        )
    }
    tensors["turned"] = NUMBERS.normal(size=(4, 6)).T
    files.write_tensors(tmp_path / "own.safetensors", tensors)
    whole = {name: np.array(array, order="C") for name, array in tensors.items()}
    assert (tmp_path / "own.safetensors").read_bytes() == save(whole)


def test_no_tensors_are_a_file_too(tmp_path: Path) -> None:
    files.write_tensors(tmp_path / "none.safetensors", {})
    assert (tmp_path / "none.safetensors").read_bytes() == save({})
