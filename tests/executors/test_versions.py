"""What has to be alike on all machines."""

import pytest

from pipeline.errors import InputError
from pipeline.executors.versions import check, versions


def test_they_name_python_the_libraries_and_the_code() -> None:
    assert set(versions()) == {"python", "torch", "numpy", "safetensors", "batchwise"}
    assert versions() == versions()
    assert "+" not in versions()["torch"]  # a node with a GPU has another build of the same


def test_the_same_is_accepted() -> None:
    check("node", versions(), versions())


def test_what_differs_is_told_with_the_node() -> None:
    ours = {"python": "3.11.7", "torch": "2.14.1"}
    with pytest.raises(InputError, match=r"node far: torch is 2\.13\.0 there and 2\.14\.1 here"):
        check("far", {"python": "3.11.7", "torch": "2.13.0"}, ours)


def test_what_is_missing_is_told() -> None:
    with pytest.raises(InputError, match="batchwise is missing there and abc here"):
        check("far", {}, {"batchwise": "abc"})
