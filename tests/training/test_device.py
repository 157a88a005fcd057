"""The device and the machine."""

import pytest
import torch

from pipeline.errors import InputError
from pipeline.training import device


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"impl\.device: 'cuda'"):
        device.device("cuda")
    assert device.device("auto") == torch.device("cpu")


def test_the_machine_is_described() -> None:
    found = device.describe(torch.device("cpu"))
    assert found["processor"]
    assert found["torch"] == torch.__version__
    assert int(found["memory_gb"]) > 0
