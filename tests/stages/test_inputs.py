"""What trainings hang on, in a file for each variant."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from makers.project import ROOT
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import Grid
from pipeline.stages import inputs
from pipeline.workspace import files

VARIANTS = {"baseline": {}, "adam": {"optimizer": {"name": "adam"}}}
BASE = Params(variants=VARIANTS, grid=Grid(variant=["baseline", "adam"]))


def test_what_trains_is_what_dvc_watches_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    listed = {path.as_posix() for path in inputs.what_trains()}
    assert {"pipeline/lanes", "pipeline/training", "pipeline/params"} <= listed
    assert inputs.ITSELF not in listed
    assert all(Path(place).exists() for place in listed)


def test_a_digest_tells_of_names_and_contents_alone(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"{name = }")
    before = files.digest([tmp_path])
    cached = tmp_path / "__pycache__"
    cached.mkdir()
    (cached / "a.pyc").write_bytes(b"compiled")
    assert files.digest([tmp_path, tmp_path / "missing"]) == before
    (tmp_path / "a.py").write_text("changed")
    assert files.digest([tmp_path]) != before


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        (replace(BASE, seed=1), {"baseline", "adam"}),
        (replace(BASE, model=Model("mlp", [8])), {"baseline", "adam"}),
        (replace(BASE, grid=replace(BASE.grid, extensions=1)), {"baseline", "adam"}),
        (replace(BASE, trainer=replace(BASE.trainer, retries=2)), {"baseline", "adam"}),
        (replace(BASE, variants={**VARIANTS, "adam": {"optimizer": {"name": "lamb"}}}), {"adam"}),
        (replace(BASE, grid=replace(BASE.grid, batch_size=[8])), set()),
        (replace(BASE, confirm=replace(BASE.confirm, seeds=9)), set()),
    ],
)
def test_a_variant_trains_again_where_its_own_settings_change(
    other: Params, changed: set[str]
) -> None:
    def settings(params: Params) -> dict[str, str]:
        return {name: json.dumps(inputs.settings(params, name)) for name in VARIANTS}

    before, after = settings(BASE), settings(other)
    assert {name for name in VARIANTS if before[name] != after[name]} == changed
