"""What Hydra must know to compose conf/: the schema and two resolvers.

DVC composes too (``dvc exp run``) and imports this module by itself: it lies in the
``hydra_plugins`` folder below the ``hydra.plugins_path`` of .dvc/config.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from pipeline.errors import require
from pipeline.params import schema

CONF = Path("conf")


def logspace(first: float, last: float, count: int) -> list[float]:
    """``count`` rates from ``first`` to ``last`` at one ratio, rounded to 4 significant digits."""
    require(first > 0 and last > 0, "logspace", [first, last], "must be above 0")
    require(count >= 2, "logspace", count, "needs at least 2 points")
    ratio = (last / first) ** (1 / (count - 1))
    return [float(f"{first * ratio**k:.4g}") for k in range(count)]


def conf_digest(conf: Path = CONF) -> str:
    """A digest of what conf/ says; comments and key order inside a file do not count."""
    said: dict[str, Any] = {
        path.relative_to(conf).as_posix(): OmegaConf.to_container(OmegaConf.load(path))
        for path in sorted(conf.rglob("*.yaml"))
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


ConfigStore.instance().store(name="schema", node=schema())
OmegaConf.register_new_resolver("logspace", logspace, replace=True)
OmegaConf.register_new_resolver("conf_digest", conf_digest, replace=True)
