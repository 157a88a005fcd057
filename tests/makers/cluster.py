"""A Ray cluster of this machine, in a process of its own.

python cluster.py NODES   prints its address, and runs until its input ends
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 2,
}
"""Ray waits half a minute before it takes a node for dead; a test does not."""
STORE_BYTES = 80 << 20
TESTS = Path(__file__).resolve().parents[1]


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """The address of a cluster whose nodes have one core each, beside a head that has none."""
    words = [sys.executable, str(Path(__file__).resolve()), str(nodes)]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    environment["PYTHONPATH"] = f"{TESTS}{os.pathsep}{TESTS.parent}"
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout
        yield next(line for line in process.stdout if line.startswith("address ")).split()[1]


def main() -> None:
    """Start it, tell, wait, end it."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    made = Cluster(initialize_head=True, head_node_args={**head, "_system_config": QUICK})
    for _ in range(int(sys.argv[1])):
        made.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    print("address", made.address, flush=True)
    sys.stdin.read()
    made.shutdown()


if __name__ == "__main__":
    main()
