"""What has to be alike on all machines, so that the bytes are those of one."""

import functools
import hashlib
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from pipeline.errors import InputError

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = ("torch", "numpy", "safetensors")


@functools.cache
def versions() -> Mapping[str, str]:
    """Of Python, the libraries that train, of those that are there, and this project's code; torch
    is not imported."""
    code = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        code.update(path.relative_to(PACKAGE).as_posix().encode())
        code.update(path.read_bytes())
    found = {"python": platform.python_version(), "batchwise": code.hexdigest()[:12]}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name).split("+")[0]
    return found


def check(node: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Raise an InputError that names the node and what differs there."""
    differing = [
        f"{name} is {theirs.get(name, 'missing')} there and {version} here"
        for name, version in ours.items()
        if theirs.get(name) != version
    ]
    if differing:
        rule = "set it up from the same commit and requirements.lock"
        raise InputError(f"impl.executor: node {node}: {', '.join(differing)}; {rule}")
