"""The structure keeps its promises: dvc.yaml lists what stages import, imports run one way."""

import ast
import functools
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from makers.project import ROOT
from pipeline.params.load import Params
from pipeline.workspace.noted import settings as noted_settings

STAGES = OmegaConf.to_container(OmegaConf.load(ROOT / "dvc.yaml"), resolve=False)["stages"]  # type: ignore[index,call-overload]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
    if path.name != "__init__.py"
}
PACKAGE_FILES = sorted((ROOT / "pipeline").rglob("__init__.py"))
OF_THE_RACE = {"pipeline.race.bar", "pipeline.race.rule"}
OF_THE_TRAINER = (
    {module for module in MODULES if module.startswith("pipeline.selection.")}
    | {
        "pipeline.training.budget",
    }
    | {module for module in MODULES if module.startswith("pipeline.executors.")}
)
"""What stages that train nothing reach, for they ask whoever trains."""
SILENT = {"pipeline.outlook", "pipeline.workspace.durations", "pipeline.workspace.progress"}
"""What a stage may import and not list: it cannot change a byte of any output."""

MAY_IMPORT = {  # folder or top-level module -> what else of the project it may use
    "errors": set(),
    "host": set(),
    "params": {"errors"},
    "workspace": {"errors", "params"},
    "executors": {"host", "errors", "params", "workspace"},
    "hydra_plugins": {"errors", "params", "outside"},
    "data": {"errors", "params"},
    "models": {"errors", "params"},
    "training": {"host", "errors", "params", "models"},
    "selection": {"errors", "params"},
    "race": {"errors", "params", "training", "lanes", "selection", "forecast"},
    "lanes": {
        "host",
        "executors",
        "errors",
        "params",
        "workspace",
        "models",
        "training",
        "selection",
    },
    "outside": {
        "host",
        "executors",
        "errors",
        "params",
        "workspace",
        "training",
        "selection",
        "race",
        "analysis",
        "forecast",
    },
    "branches": {"executors", "errors", "params", "workspace", "training", "lanes"},
    "speed": {"errors", "params", "models", "training"},
    "finder": {"params", "training"},
    "solutions": {"executors", "errors", "params", "workspace", "models", "training", "selection"},
    "analysis": {"errors", "params", "selection"},
    "reporting": {"host", "executors", "errors", "params", "workspace", "selection", "analysis"},
    "selfcheck": {
        "host",
        "executors",
        "errors",
        "params",
        "workspace",
        "selection",
        "analysis",
        "reporting",
    },
    "forecast": {"params", "training"},
    "distributed": {"errors", "params", "training", "speed"},
    "outlook": {"forecast", "params", "training", "workspace"},
    "to_mlflow": {"errors", "params", "workspace", "selection"},
    "from_python": {"params", "outside", "selection", "analysis", "reporting"},
    "settings": {"errors", "params", "workspace", "selection", "reporting"},
    "ramp": {"errors", "params", "workspace", "training"},
    "machines": {"errors", "params", "workspace", "training", "outside"},
    "compare": {"errors", "params", "workspace", "analysis", "reporting"},
}
HEAVY = {  # library -> the only places that may import it
    "torch": {
        "models",
        "training",
        "lanes",
        "branches",
        "speed",
        "finder",
        "distributed",
        "solutions",
        "stages/throughput",
        "stages/retime",
    },
    "torchvision": {"data/sources", "models"},
    "matplotlib": {"reporting", "stages/report", "selfcheck", "compare"},
    "seaborn": {"reporting"},
    "hydra": {"hydra_plugins", "stages/config"},
    "dvc": set(),
}
MANY_LIBRARIES = {"omegaconf", "pandas", "safetensors", "sklearn", "scipy", "tqdm"}
READS_AND_WRITES_TABLES = {"lanes.trainings", "speed.table", "solutions"}
"""In the folders that a bare GPU machine runs: what needs more than torch and numpy there."""


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
    """All of the project's modules that a module imports, directly or not, itself included; not
    what only a silent one does."""
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name in MODULES and name not in found:
            found.add(name)
            todo += imported(name) if name == module or name not in SILENT else ()
    return found


def folder(module: str) -> str:
    """The folder below pipeline/ that a module lies in, or its name at the top."""
    return module.split(".")[1]


MODULES_OF = {
    place: [module for module in MODULES if folder(module) == place]
    for place in sorted({folder(module) for module in MODULES})
}


def files_below(dependency: str) -> set[Path]:
    """The file, or all files of a folder but those that Python leaves there."""
    path = ROOT / dependency
    below = [path] if path.is_file() else path.rglob("*")
    return {file for file in below if file.is_file() and "__pycache__" not in file.parts}


WHAT_TRAINS = set(STAGES["inputs"]["deps"]) - {"pipeline/stages/inputs.py"}
"""What stands in results/inputs, beside settings."""


def listed_of(name: str) -> list[str]:
    """What of the project dvc.yaml lists for a stage, or for those whose note it reads."""
    deps = STAGES[name]["deps"]
    notes = WHAT_TRAINS if any(dep.startswith("results/inputs") for dep in deps) else set()
    return [dep for dep in [*deps, *sorted(notes)] if dep.startswith("pipeline/")]


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_exactly_what_the_stage_imports(name: str) -> None:
    """What lies below a stage's dependencies is what it imports, with what its packages ship."""
    module = f"pipeline.stages.{name}"
    by_trainer = f"python -m ${{mains.package}}.{name}"
    assert STAGES[name]["cmd"].startswith((f"python -m {module}", by_trainer))
    listed = listed_of(name)
    below = set().union(*map(files_below, listed))
    noted = reached("pipeline.stages.train") - {"pipeline.stages.train"}
    used = reached(module) | (noted if name == "inputs" else set())
    imports = {MODULES[found] for found in used - SILENT}
    shipped = {path for path in below if path.name == "__init__.py" or path.suffix != ".py"}
    assert below - shipped == imports
    assert {path.parent for path in shipped} <= {path.parent for path in imports}
    assert len(listed) == len(set(listed))
    assert sum(map(len, map(files_below, listed))) == len(below)  # none lies below another


@pytest.mark.parametrize("name", sorted(
    path.stem for path in (ROOT / "pipeline/outside/stages").glob("[!_]*.py")
))  # fmt: skip
def test_deps_hold_what_a_stage_imports_where_another_program_trains(name: str) -> None:
    """It needs the folder ``outside`` and what dvc.yaml lists for the stage; a stage that trains
    nothing also reaches what the trainer would train with."""
    assert STAGES[name]["cmd"].startswith(f"python -m ${{mains.package}}.{name}")
    by_note = {"${mains.outside}"} & WHAT_TRAINS if name in ("pilot", "train") else set()
    assert "${mains.outside}" in {*STAGES[name]["deps"], *by_note}
    below = set().union(*map(files_below, [*listed_of(name), "pipeline/outside"]))
    used = reached(f"pipeline.outside.stages.{name}") - SILENT
    if name not in ("pilot", "train"):
        used -= OF_THE_RACE
    if name not in ("pilot", "train", "confirm", "contest"):
        used -= OF_THE_TRAINER
    assert {MODULES[found] for found in used} <= below


def test_what_is_noted_of_settings_is_what_dvc_watches() -> None:
    """A key that trainings read and DVC does not would train nothing again."""
    noted = noted_settings(Params(), "baseline")
    inside = [f"{section}.{key}" for section in ("trainer", "grid") for key in noted[section]]
    elsewhere = {"trainer", "grid", "lr", "raced to"}
    whole = set(noted) - elsewhere
    by_name = {"grid.lr", "grid.variant", "waves.variant", "variants"}
    assert {*inside, *whole, *by_name} == set(STAGES["inputs"]["params"])


def test_each_stage_that_another_program_changes_has_a_main_for_it() -> None:
    changed = {name for name, stage in STAGES.items() if "${mains.package}" in stage["cmd"]}
    there = {path.stem for path in (ROOT / "pipeline/outside/stages").glob("[!_]*.py")}
    assert changed == there


def test_what_dvc_lists_is_read_in_a_minute() -> None:
    listed = [dep for stage in STAGES.values() for dep in stage["deps"]]
    assert sum(dep.startswith("pipeline/") for dep in listed) <= 136


def test_what_is_silent_only_times_and_talks() -> None:
    for module in SILENT:
        assert not reached(module) - SILENT - set(MODULES_OF["params"]) - {
            "pipeline.errors", "pipeline.workspace.files", "pipeline.forecast",
            "pipeline.training.budget",
        }  # fmt: skip


def test_stages_are_mains() -> None:
    assert {path.stem for path in (ROOT / "pipeline/stages").glob("*.py")} == {
        "__init__", *STAGES,
    }  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    place = folder(module)
    if place == "stages":
        assert not any(name.startswith("pipeline.stages.") for name in imported(module))
        return
    used = {folder(name) for name in imported(module) if name.startswith("pipeline.")}
    assert used - {place} <= MAY_IMPORT[place]


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_where_they_are_used(module: str) -> None:
    place = "/".join(module.split(".")[1:])
    for name in imported(module):
        library = name.split(".")[0]
        if library in HEAVY:
            assert any(place.startswith(allowed) for allowed in HEAVY[library]), name


@pytest.mark.parametrize("place", ["models", "training", "lanes", "speed", "finder", "solutions"])
def test_a_bare_machine_runs_with_torch_and_numpy_alone(place: str) -> None:
    """Whatever else is imported at the top stands in the few modules that know tables."""
    for module in MODULES_OF[place]:
        name = module.removeprefix("pipeline.")
        if not any(name.startswith(door) for door in READS_AND_WRITES_TABLES):
            for found in reached(module):
                assert not top_level(found) & MANY_LIBRARIES, (module, found)


def top_level(module: str) -> set[str]:
    """The libraries that a module needs as soon as it is imported."""
    tops = {
        node.names[0].name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.parse(MODULES[module].read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return {top.split(".")[0] for top in tops}


def test_package_files_hold_no_code() -> None:
    with_code = {
        ROOT / "pipeline/__init__.py",  # `from pipeline import recommend`, when it is asked for
        ROOT / "pipeline/stages/__init__.py",  # who runs a stage, and no garbage while it imports
    }
    for path in set(PACKAGE_FILES) - with_code:
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
