"""What Hydra must know to compose conf/: the schema and the resolvers.

DVC composes too (``dvc exp run``) and imports this module by itself: it lies in the
``hydra_plugins`` folder below the ``hydra.plugins_path`` of .dvc/config.
"""

import dataclasses
import functools
import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from pipeline.errors import require
from pipeline.params.data import FILES, TOKENS
from pipeline.params.load import schema
from pipeline.params.network import is_factory
from pipeline.params.trainer import Columns

CONF = Path("conf")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where there is one: conf/ has some sixty files."""


def logspace(first: float, last: float, count: int) -> list[float]:
    """``count`` rates from ``first`` to ``last`` at one ratio, rounded to 4 significant digits."""
    require(first > 0 and last > 0, "logspace", [first, last], "must be above 0")
    require(count >= 2, "logspace", count, "needs at least 2 points")
    ratio = (last / first) ** (1 / (count - 1))
    return [float(f"{first * ratio**k:.4g}") for k in range(count)]


def conf_digest(conf: Path = CONF) -> str:
    """A digest of what conf/ says; comments and key order inside a file do not count."""
    content: dict[str, Any] = {
        path.relative_to(conf).as_posix(): yaml.load(path.read_text(), LOADER)
        for path in sorted(conf.rglob("*.yaml"))
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


NOTHING = "pipeline/__init__.py"
"""Watched where the user has no file of their own: DVC's lists know no conditions."""


def own_file(source: str, path: str | None, runs_path: str | None) -> str:
    """The user's data, file or folder, or table of runs."""
    if runs_path is not None:
        return runs_path
    return str(path) if source in FILES and path is not None else NOTHING


def own_tokens(tokens: str) -> str:
    """The file of the user's tokenizer."""
    return NOTHING if tokens in TOKENS else tokens


def own_module(model: str) -> str:
    """The file of the user's network, where it lies in the project."""
    place = Path(*model.partition(":")[0].split("."))
    candidates = (place.with_suffix(".py"), place / "__init__.py") if is_factory(model) else ()
    return next((path.as_posix() for path in candidates if path.is_file()), NOTHING)


def if_raced(race: object, study_seconds: object, value: object, otherwise: object) -> object:
    """One value where trainings may be raced, another where they are not."""
    return otherwise if race is False and study_seconds is None else value


def by_trainer(trainer: str, lanes: object, outside: object) -> object:
    """One value for this project's own trainings, another for other programs'."""
    return lanes if trainer == "lanes" else outside


def if_any(values: Any, value: object, otherwise: object) -> object:
    """One value where a list has members, another where it is empty."""
    return value if len(values) else otherwise


def program_files(command: str | None, deps: Any, variants: Any, chosen: Any) -> list[str]:
    """The files that a command names, an interpreter somewhere in the system aside, and those that
    it is said to depend on; and those of the networks that the chosen variants bring."""
    words = shlex.split(command) if command else []
    if words and Path(words[0]).is_absolute():
        words = words[1:]
    named = [word for word in words if Path(word).is_file()]
    models = [(variants.get(name) or {}).get("model") or {} for name in chosen]
    modules = [own_module(model["name"]) for model in models if "name" in model]
    brought = [path for path in modules if path != NOTHING]
    watched = list(dict.fromkeys([*named, *deps, *brought]))
    for name in watched:
        rule = "lies above the project: name it by its absolute path"
        require(".." not in Path(name).parts, "trainer", name, rule)
    return watched


@functools.cache
def grid_of_runs(path: str, columns: Columns) -> dict[str, Any]:
    """What a table of runs has."""
    from pipeline.outside import runs

    has = runs.grid(runs.read(Path(path), columns))
    return {**dataclasses.asdict(has), "variants": {name: {} for name in has.variant}}


def of_runs(name: str, *, _root_: Any) -> Any:
    """A key of the grid that the table of runs has."""
    path = OmegaConf.select(_root_, "trainer.path")
    require(path is not None, "trainer.path", path, "names no table: trainer=runs needs one")
    columns: Any = OmegaConf.merge(schema().trainer.columns, _root_.trainer.columns)
    columns = OmegaConf.to_object(columns)
    return grid_of_runs(path, columns)[name]


ConfigStore.instance().store(name="schema", node=schema())
OmegaConf.register_new_resolver("logspace", logspace, replace=True)
OmegaConf.register_new_resolver("conf_digest", conf_digest, replace=True)
OmegaConf.register_new_resolver("own_file", own_file, replace=True)
OmegaConf.register_new_resolver("if_raced", if_raced, replace=True)
OmegaConf.register_new_resolver("own_tokens", own_tokens, replace=True)
OmegaConf.register_new_resolver("own_module", own_module, replace=True)
OmegaConf.register_new_resolver("by_trainer", by_trainer, replace=True)
OmegaConf.register_new_resolver("program_files", program_files, replace=True)
OmegaConf.register_new_resolver("if_any", if_any, replace=True)
OmegaConf.register_new_resolver("of_runs", of_runs, replace=True)
