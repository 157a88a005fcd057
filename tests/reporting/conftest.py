"""Studies here are drawn and put into words, not believed: short simulations will do."""

import pytest

from pipeline.analysis import escape


@pytest.fixture(autouse=True)
def _short_simulations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escape, "STEPS", 200)
