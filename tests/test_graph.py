"""The structure keeps its promises: dvc.yaml lists what stages import, imports run one way."""

import ast
import functools
from pathlib import Path

import pytest
from conftest import ROOT
from omegaconf import OmegaConf

STAGES = OmegaConf.to_container(OmegaConf.load(ROOT / "dvc.yaml"), resolve=False)["stages"]  # type: ignore[index,call-overload]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
    if path.name != "__init__.py"
}
PACKAGE_FILES = sorted((ROOT / "pipeline").rglob("__init__.py"))
TEMPLATES = {
    "pipeline.reporting.page": ["report.html.j2", "report.css", "explore.js", "report.md.j2"]
}

MAY_IMPORT = {  # folder or top-level module -> what else of the project it may use
    "errors": set(),
    "params": {"errors"},
    "hydra_plugins": {"errors", "params"},
    "data": {"errors", "params"},
    "models": {"errors", "params"},
    "engine": {"errors", "params", "data", "models"},
    "measure": {"errors", "params", "data", "models", "engine"},
    "analysis": {"errors", "params"},
    "reporting": {"errors", "params", "analysis"},
    "selfcheck": {"errors", "params", "analysis", "reporting"},
    "compare": {"errors", "params", "reporting", "stages"},
}
HEAVY = {  # library -> the only folders that may import it
    "torch": {"data/tensors", "models", "engine", "measure", "stages"},
    "torchvision": {"data/sources", "data/images", "models"},
    "matplotlib": {"reporting", "stages/report", "selfcheck", "compare"},
    "seaborn": {"reporting"},
    "hydra": {"hydra_plugins", "stages/config"},
    "dvc": set(),
}


@functools.cache
def imported(module: str) -> frozenset[str]:
    """Names of modules that a module imports, at its top or later; type-checking imports too."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def reached(module: str) -> set[str]:
    """All of the project's modules that a module imports, directly or not, itself included."""
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name in MODULES and name not in found:
            found.add(name)
            todo += imported(name)
    return found


def folder(module: str) -> str:
    """The folder below pipeline/ that a module lies in, or its name at the top."""
    return module.split(".")[1]


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_exactly_what_the_stage_imports(name: str) -> None:
    module = f"pipeline.stages.{name}"
    assert module in STAGES[name]["cmd"]
    expected = set()
    for found in reached(module):
        path = MODULES[found].relative_to(ROOT)
        expected |= {path.as_posix()}
        expected |= {(path.parent / file).as_posix() for file in TEMPLATES.get(found, [])}
    listed = [dep for dep in STAGES[name]["deps"] if dep.startswith("pipeline/")]
    assert listed == sorted(set(listed), key=listed.index)
    assert set(listed) == expected


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    own = folder(module)
    if own == "stages":
        others = {name for name in imported(module) if name.startswith("pipeline.stages.")}
        assert not {name.split(".")[2] for name in others} & set(STAGES)
        return
    used = {folder(name) for name in imported(module) if name.startswith("pipeline.")}
    assert used - {own} <= MAY_IMPORT[own]


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_where_they_are_used(module: str) -> None:
    place = "/".join(module.split(".")[1:])
    for name in imported(module):
        library = name.split(".")[0]
        if library in HEAVY:
            assert any(place.startswith(allowed) for allowed in HEAVY[library]), name


@pytest.mark.parametrize("module", [m for m in MODULES if folder(m) in ("engine", "measure")])
def test_the_engine_needs_torch_and_numpy_alone(module: str) -> None:
    for name in reached(module):
        tops = {
            node.names[0].name if isinstance(node, ast.Import) else str(node.module)
            for node in ast.parse(MODULES[name].read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        libraries = {top.split(".")[0] for top in tops}
        assert not libraries & {"omegaconf", "pandas", "safetensors", "sklearn", "scipy", "tqdm"}


def test_package_files_hold_no_code() -> None:
    for path in PACKAGE_FILES:
        body = ast.parse(path.read_text()).body
        assert all(isinstance(node, ast.Expr) for node in body), path


def test_every_output_is_ignored_or_a_report() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    for stage in STAGES.values():
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
            path = out if isinstance(out, str) else next(iter(out))
            kept = Path(path).parts[0] in ("reports", "params.yaml")
            assert kept or f"/{Path(path).parts[0]}/" in ignored


def test_torch_load_is_never_used() -> None:
    for path in MODULES.values():
        assert "torch.load" not in path.read_text()
        assert "import pickle" not in path.read_text()
        assert "allow_pickle=True" not in path.read_text()
