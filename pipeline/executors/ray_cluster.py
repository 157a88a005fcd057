"""Join a Ray cluster, and see what its nodes are."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.executors.versions import check, versions
from pipeline.host import available_cores
from pipeline.params.protocol import Resources

KNOCK_SECONDS = 5.0
ANSWER_SECONDS = 30.0
CONNECTING = threading.Lock()
"""Several works may begin at once, and a process joins once."""


def connect(address: str) -> None:
    """Join the cluster, unless this process has.

    Raises InputError where there is none.
    """
    try:
        import ray
    except ImportError:
        raise InputError("impl.executor: 'ray' needs `pip install -e '.[ray]'`") from None
    with CONNECTING:
        if not ray.is_initialized():
            join(address)


def join(address: str) -> None:
    """Join the cluster.

    Raises InputError where there is none.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    silent: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "logging_level": "ERROR",
    }
    try:
        see_that_somebody_listens(address)
        if address == "local":
            ray.init("local", num_cpus=available_cores(), include_dashboard=False, **silent)
        else:
            ray.init(address, **silent)
    except (OSError, RuntimeError, ValueError) as error:
        words = " ".join(str(error).split())
        raise InputError(f"impl.address: {address!r} cannot be joined: {words[:300]}") from None


def see_that_somebody_listens(address: str) -> None:
    """Raise an OSError where nobody does at HOST:PORT: Ray itself would ask for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


def room(has: Mapping[str, float], needs: Resources) -> int:
    """How many tasks at once a node has room for."""
    asked = {"CPU": needs.cpus, "GPU": needs.gpus}
    return min(int(has.get(name, 0) // count) for name, count in asked.items() if count)


def check_nodes() -> None:
    """Raise an InputError for a node that holds other versions than this machine."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes, asked = [node for node in ray.nodes() if node["Alive"]], []
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ask = ray.remote(asking()).options(num_cpus=0, scheduling_strategy=there)
        asked.append(ask.remote())
    ours = versions()
    for node, theirs in zip(nodes, ray.get(asked, timeout=ANSWER_SECONDS), strict=True):
        check(node["NodeManagerAddress"], theirs, ours)


def asking() -> Callable[[], dict[str, str]]:
    """What tells a node's versions, sent as code: the project may be missing there."""

    def versions_there() -> dict[str, str]:
        import platform

        try:
            from pipeline.executors.versions import versions
        except ImportError:
            return {"python": platform.python_version()}
        return dict(versions())

    return versions_there
