"""What trainings hang on, in a note for each variant."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import Grid, Waves
from pipeline.workspace import files, noted

VARIANTS = {"baseline": {}, "adam": {"optimizer": {"name": "adam"}}}
BASE = Params(variants=VARIANTS, grid=Grid(variant=["baseline", "adam"]))
BOTH = {"baseline", "adam"}


class TestDigest:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("a.py", "b.py"):
            (tmp_path / name).write_text(f"{name = }")
        return tmp_path

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "a.py").write_text("changed"),
            lambda folder: (folder / "a.py").rename(folder / "c.py"),
            lambda folder: (folder / "a.py").unlink(),
            lambda folder: (folder / "c.py").write_text(""),
        ],
    )
    def test_it_tells_of_names_and_contents(
        self, folder: Path, change: Callable[[Path], object]
    ) -> None:
        before = files.digest([folder])
        change(folder)
        assert files.digest([folder]) != before

    def test_it_tells_of_nothing_else(self, folder: Path) -> None:
        before = files.digest([folder])
        cached = folder / "__pycache__"
        cached.mkdir()
        (cached / "a.pyc").write_bytes(b"compiled")
        assert files.digest([folder / "missing", folder, folder]) == before

    def test_where_one_file_ends_and_another_begins_is_told(self, tmp_path: Path) -> None:
        """The trap: names and contents in one row."""
        one, two = tmp_path / "one", tmp_path / "one1"
        one.write_text("0.5")
        before = files.digest([one])
        one.unlink()
        two.write_text(".5")
        assert files.digest([two]) != before


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        (replace(BASE, seed=1), BOTH),
        (replace(BASE, model=Model("mlp", [8])), BOTH),
        (replace(BASE, grid=replace(BASE.grid, extensions=1)), BOTH),
        (replace(BASE, trainer=replace(BASE.trainer, retries=2)), BOTH),
        (replace(BASE, waves=Waves(variant=["baseline", "adam"])), BOTH),
        (replace(BASE, variants={**VARIANTS, "adam": {"optimizer": {"name": "lamb"}}}), {"adam"}),
        (replace(BASE, grid=replace(BASE.grid, batch_size=[8])), set()),
        (replace(BASE, confirm=replace(BASE.confirm, seeds=9)), set()),
    ],
)
def test_a_variant_trains_again_where_its_own_settings_change(
    other: Params, changed: set[str]
) -> None:
    differs = {name for name in BOTH if noted.settings(BASE, name) != noted.settings(other, name)}
    assert differs == changed


def test_who_is_raced_to_is_noted() -> None:
    """The first variant sets the target."""
    first, second = (
        replace(BASE, waves=Waves(variant=names), grid=replace(BASE.grid, variant=names))
        for names in (["baseline", "adam"], ["adam", "baseline"])
    )
    assert noted.settings(first, "adam") != noted.settings(second, "adam")


class TestCheck:
    """Whoever trains with what was not noted would leave it under the note's name."""

    @pytest.fixture
    def code(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        code = Path("lanes.py")
        code.write_text("steps = 1")
        noted.write(BASE, [code])
        return code

    @pytest.mark.usefixtures("code")
    def test_the_present_settings_and_code_pass(self) -> None:
        for variant in BOTH:
            noted.check(BASE, variant)

    @pytest.mark.usefixtures("code")
    def test_other_settings_are_refused(self) -> None:
        rule = "baseline.json: is of other settings than params.yaml's; `dvc repro inputs` notes"
        with pytest.raises(InputError, match=rule):
            noted.check(replace(BASE, seed=1), "baseline")

    def test_other_code_is_refused(self, code: Path) -> None:
        code.write_text("steps = 2")
        with pytest.raises(InputError, match="is of other code than the present"):
            noted.check(BASE, "adam")

    @pytest.mark.usefixtures("code")
    def test_a_variant_without_a_note_is_named(self) -> None:
        with pytest.raises(InputError, match=r"results/inputs/lamb.json: missing"):
            noted.check(BASE, "lamb")
