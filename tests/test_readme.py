"""Every command in the README and in the pages that it links to runs."""

import re
import shlex
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from makers.project import ROOT, Project

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


TEXT = "\n".join(page.read_text() for page in PAGES)


COMMANDS = [
    command.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    for command in line.split("#")[0].split(" && ")
]


RECOMMEND, MODEL = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


INLINE = re.findall(r"`(dvc [^`]+|make [^`]+)`", TEXT)


ELSEWHERE = {  # what else runs a command, or why it cannot run inside a test
    "make reports": "setting up is what CI's clean clone does; its `dvc repro` runs below",
    "make test": "would run itself",
    "make quick": "would run itself",
    "make open": "needs a browser",
    "make setup": "is what CI's clean clone does",
    "dvc repro train@baseline-32": "tests/stages/test_pipeline.py runs single stages",
    "dvc add": "tests/stages/test_pipeline.py adds a table",
    "dvc import-url": "needs a place to import from",
    "python -m benchmarks.grid": "takes minutes; tests/test_benchmarks.py runs it on a small size",
    "python -m pipeline.ramp": "the smoke study is too short to branch; tests/test_ramp.py runs it",
    "python -m pipeline.to_mlflow": "tests/test_to_mlflow.py runs it",
    "python -m pipeline.selfcheck": "tests/selfcheck/test_quadratic.py runs it",
    "ray start --head": "tests/stages/test_executors.py starts a cluster",
    "python -m pipeline.machines add desktop": "tests/stages/test_pipeline.py adds a machine",
    "source .venv/bin/activate": "the tests put the same interpreter first on the path",
}


DEFAULT = "python -m pipeline.stages.config"


SMALL = ["grid.batch_size=[32]", "grid.seeds=2", "grid.extensions=0"]
"""The README's grids are for the real studies."""


@pytest.mark.slow
def test_every_command_runs_in_order(study: Project) -> None:
    """On the smoke study, which `study` has made the default, so that minutes become seconds. What
    stands within a sentence is of the default study."""
    (study.folder / "my_model.py").write_text(MODEL)
    ran = []
    for command in [*COMMANDS, DEFAULT, *INLINE]:
        if command not in ELSEWHERE and (command not in ran or command == DEFAULT):
            overrides = SMALL if "data=wine" in command else []
            said = study.run(*shlex.split(command), *overrides)
            ran.append(command)
            if command.startswith("dvc exp run"):
                check_experiment(study, said)
    (own_network,) = [command for command in ran if "my_model:build" in command]
    study.run(*shlex.split(own_network))
    study.repro("preprocess", "inputs")
    study.run("python", "-m", "pipeline.stages.train", "baseline", "full")
    assert len(ran) >= 6


def test_it_recommends_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    exec(RECOMMEND.replace("tests/", f"{ROOT}/tests/"), {})
    assert capsys.readouterr().out.startswith("Use batch size ")


def check_experiment(study: Project, said: str) -> None:
    """The overrides on the command line arrived, and can be compared with what was before."""
    assert "train@baseline-16" in said
    weights = load_file(study.folder / "runs/baseline-16/weights.safetensors")
    assert weights["1.weight"].shape == (4, 32, 64)
    assert study.repro().strip().endswith("Data and pipelines are up to date.")
    name = study.run("dvc", "exp", "list", "--name-only").split()[-1]
    said = study.run("python", "-m", "pipeline.compare", "HEAD", name, "workspace")
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith("|")]
    assert "model.hidden" in rows[0]
    assert [row[0] for row in rows[2:]] == ["| HEAD", f"| {name}", "| workspace"]
    assert rows[3][1:] == rows[4][1:]
    assert name in study.read("reports/comparison.svg")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_it_links_to_exists(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def headings(page: Path) -> list[str]:
    """The headings of a page as a code host names them in links."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_first_page_leads_to_every_other() -> None:
    first = PAGES[0].read_text()
    for page in PAGES[1:]:
        assert f"](docs/{page.name}" in first, page


def test_they_name_every_option_there_is() -> None:
    for group in ("study", "data", "scaling", "model", "optimizer", "schedule", "grid"):
        for path in (ROOT / "conf" / group).iterdir():
            assert f"`{path.stem}`" in TEXT, path
