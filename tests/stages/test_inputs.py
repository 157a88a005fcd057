"""What stands in the notes of what trains."""

import pytest
from omegaconf import OmegaConf

from makers.project import ROOT
from pipeline.stages import inputs


def test_what_trains_is_what_dvc_watches_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    listed = OmegaConf.to_container(OmegaConf.load("dvc.yaml"), resolve=False)["stages"]  # type: ignore[index,call-overload]
    named = {dep for dep in listed["inputs"]["deps"] if not dep.startswith("${")}
    found = {path.as_posix() for path in inputs.what_trains()}
    assert found == named - {inputs.ITSELF} | {"pipeline/__init__.py"}  # of who has no own files
    assert all((ROOT / place).exists() for place in found)
