"""The programs of examples/ train and write what they should, at a small size."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from makers.project import ROOT, Project
from pipeline.outside import curve
from pipeline.outside.program import Call, Program
from pipeline.params.load import load_params
from pipeline.params.settings import Cell

EXAMPLES = {"sklearn": "sklearn", "pytorch": "torch"} | {
    "lightning": "lightning", "huggingface": "transformers",
}  # fmt: skip
"""Their folders, and the library that each needs."""


def test_all_are_tested() -> None:
    assert {path.parent.name for path in (ROOT / "examples").glob("*/train.py")} == set(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_it_learns(name: str, project: Project) -> None:
    pytest.importorskip(EXAMPLES[name], reason=f"{EXAMPLES[name]} is not installed")
    overrides = shlex.split((ROOT / "examples" / name / "study").read_text())
    project.compose(*overrides)
    trainer = load_params(project.folder / "params.yaml").trainer
    out = project.folder / "out.csv"
    call = Call(Cell("baseline", 16, 0.01, 0), 150)
    words = [sys.executable, *Program(trainer, Path()).words(call, out)[1:]]
    done = subprocess.run(words, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = curve.read(out)
    curve.check_length(table, 150)
    assert table["step"].iloc[-1] == 150
    assert table["val_loss"].iloc[-1] < 0.98 * table["val_loss"].iloc[0]
    assert (table["seconds"].diff().dropna() > 0).all()


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_report_is_there(name: str) -> None:
    report = ROOT / "examples" / name / "report" / "report.md"
    assert report.read_text().startswith("# Which batch size?\n\n**")


def test_the_notebook_says_what_it_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "examples")
    notebook = json.loads(Path("recommend.ipynb").read_text())
    known: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), known)
            shown = "".join(line for output in cell["outputs"] for line in output["text"])
            assert capsys.readouterr().out == shown
