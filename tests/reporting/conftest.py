"""Studies here are drawn and put into words, not believed: short simulations will do."""

import pytest

from pipeline.analysis import critical, escape, ranking


@pytest.fixture(autouse=True)
def _short_simulations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escape, "STEPS", 200)
    monkeypatch.setattr(ranking, "DRAWS", 1000)
    monkeypatch.setattr(critical, "DRAWS", 500)
