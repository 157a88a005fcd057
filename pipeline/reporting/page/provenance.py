"""How a report came about: what differs from the default study, and with which versions."""

import json
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pipeline.reporting.words import numbers

PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "scipy", "hydra-core", "dvc")


@dataclass(frozen=True)
class Provenance:
    """parameters: the text of params.yaml; overrides: by key the default study's value and this
    one's; commit: the one that was checked out, or nothing outside git; is_dirty: whether code or
    configuration differed from it; seconds: of each stage, one for each of its packs, None for what
    did not run here."""

    parameters: str
    overrides: Mapping[str, tuple[Any, Any]]
    commit: str
    is_dirty: bool
    seconds: Mapping[str, tuple[float | None, ...]]

    @property
    def command(self) -> str:
        """What composes these parameters again and runs the study."""
        changes = (
            shlex.quote(f"++{key}={written(value)}") for key, (_, value) in self.overrides.items()
        )
        return f"python -m pipeline.stages.config {' '.join(changes)}".rstrip() + " && dvc repro"

    @property
    def facts(self) -> dict[str, str]:
        """All but the parameters and the command, a line each."""
        commit = self.commit + (" and changes that were not committed" if self.is_dirty else "")
        return {
            "versions": versions(),
            **({"commit": commit} if self.commit else {}),
            "time of the stages": stage_times(self.seconds),
            "differences from the default study": differences(self.overrides),
        }


def versions() -> str:
    """Python's and those of the packages that results depend on."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {packages}"


def stage_times(seconds: Mapping[str, tuple[float | None, ...]]) -> str:
    """Seconds by stage, summed over packs."""
    return ", ".join(f"{stage} {took(of_stage)}" for stage, of_stage in seconds.items())


def differences(overrides: Mapping[str, tuple[Any, Any]]) -> str:
    """Each key with its value, and the default study's."""
    words = [
        f"{key}: {now}" + ("" if before is None else f" (default {before})")
        for key, (before, now) in overrides.items()
    ]
    return "; ".join(words) or "nothing"


def took(seconds: tuple[float | None, ...]) -> str:
    """The sum of what is known, and of how much of it."""
    known = [one for one in seconds if one is not None]
    if not known:
        return "restored from the cache"
    parts = f" ({len(known)} packs)" if len(seconds) > 1 else ""
    if len(known) < len(seconds):
        parts = f" ({len(known)} of {len(seconds)} packs, the others restored from the cache)"
    return numbers.seconds(sum(known)) + parts


def written(value: Any) -> str:
    """A value as Hydra's command line reads it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value)
