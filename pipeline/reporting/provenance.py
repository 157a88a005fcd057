"""How a report came about: what differs from the default study, and with which versions."""

import json
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "scipy", "hydra-core", "dvc")


@dataclass(frozen=True)
class Provenance:
    """parameters: the text of params.yaml; overrides: by key the default study's value and this
    one's; commit: the one that was checked out, or nothing outside git."""

    parameters: str
    overrides: Mapping[str, tuple[Any, Any]]
    commit: str

    @property
    def command(self) -> str:
        """What composes these parameters again and runs the study."""
        changes = (
            shlex.quote(f"++{key}={written(value)}") for key, (_, value) in self.overrides.items()
        )
        return f"python -m pipeline.stages.config {' '.join(changes)}".rstrip() + " && dvc repro"

    @property
    def versions(self) -> str:
        """Python's and those of the packages that results depend on."""
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        return f"Python {platform.python_version()}, {packages}"


def written(value: Any) -> str:
    """A value as Hydra's command line reads it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(own) for own in value) + "]"
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value)
