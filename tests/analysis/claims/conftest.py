"""The fits behind these claims are sharp: a few resamples will do."""

import pytest

from pipeline.analysis import critical


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critical, "RESAMPLES", 20)
