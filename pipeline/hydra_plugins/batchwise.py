"""What Hydra must know to compose conf/: the schema and the resolvers.

DVC composes too (``dvc exp run``) and imports this module by itself: it lies in the
``hydra_plugins`` folder below the ``hydra.plugins_path`` of .dvc/config.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from pipeline.errors import require
from pipeline.params.data import FILES
from pipeline.params.load import schema
from pipeline.params.network import is_factory

CONF = Path("conf")


def logspace(first: float, last: float, count: int) -> list[float]:
    """``count`` rates from ``first`` to ``last`` at one ratio, rounded to 4 significant digits."""
    require(first > 0 and last > 0, "logspace", [first, last], "must be above 0")
    require(count >= 2, "logspace", count, "needs at least 2 points")
    ratio = (last / first) ** (1 / (count - 1))
    return [float(f"{first * ratio**k:.4g}") for k in range(count)]


def conf_digest(conf: Path = CONF) -> str:
    """A digest of what conf/ says; comments and key order inside a file do not count."""
    content: dict[str, Any] = {
        path.relative_to(conf).as_posix(): yaml.safe_load(path.read_text())
        for path in sorted(conf.rglob("*.yaml"))
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


NOTHING = "pipeline/__init__.py"
"""Watched where the user has no file of their own: DVC's lists know no conditions."""


def own_file(source: str, path: str | None) -> str:
    """The user's data, file or folder."""
    return str(path) if source in FILES and path is not None else NOTHING


def own_module(model: str) -> str:
    """The file of the user's network, where it lies in the project."""
    place = Path(*model.partition(":")[0].split("."))
    candidates = (place.with_suffix(".py"), place / "__init__.py") if is_factory(model) else ()
    return next((path.as_posix() for path in candidates if path.is_file()), NOTHING)


def if_raced(race: object, study_seconds: object, value: object, otherwise: object) -> object:
    """One value where trainings may be raced, another where they are not."""
    return otherwise if race is False and study_seconds is None else value


ConfigStore.instance().store(name="schema", node=schema())
OmegaConf.register_new_resolver("logspace", logspace, replace=True)
OmegaConf.register_new_resolver("conf_digest", conf_digest, replace=True)
OmegaConf.register_new_resolver("own_file", own_file, replace=True)
OmegaConf.register_new_resolver("if_raced", if_raced, replace=True)
OmegaConf.register_new_resolver("own_module", own_module, replace=True)
