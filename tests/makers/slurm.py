"""A Slurm queue of this machine, of one controller and some nodes, all processes."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "slurmstepd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
CONF = """
ClusterName=here
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
PluginDir={plugins}
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdTimeout=10
KillWait=2
ReturnToService=2
JobRequeue=1
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Which of Slurm's programs is not there."""
    return next((name for name in PROGRAMS if shutil.which(name) is None), None)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on: two test processes may have a queue each."""
    with ExitStack() as opened:
        listening = [
            opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in listening]


class Queue:
    """The processes of a queue."""

    def __init__(self, folder: Path, count: int) -> None:
        ports = free_ports(1 + count)
        plugins = os.environ.get("SLURM_PLUGINS", "/usr/lib/x86_64-linux-gnu/slurm-wlm")
        nodes = "\n".join(
            f"NodeName=n{number} NodeHostname=localhost NodeAddr=127.0.0.1 "
            f"Port={ports[number]} CPUs=1 RealMemory=4000 State=UNKNOWN"
            for number in range(1, count + 1)
        )
        self.conf = folder / "slurm.conf"
        (folder / "state").mkdir()
        for number in range(1, count + 1):
            (folder / f"spool-n{number}").mkdir()
        text = CONF.format(folder=folder, plugins=plugins, port=ports[0], nodes=nodes)
        self.conf.write_text(text)
        self.environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        self.controller = self.start("slurmctld", "-D")
        step = str(shutil.which("slurmstepd"))
        self.nodes = {
            f"n{number}": self.start("slurmd", "-D", "-N", f"n{number}", "-d", step)
            for number in range(1, count + 1)
        }

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """One of its processes, in a group of its own."""
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(words, env=self.environment, start_new_session=True, **silent)  # type: ignore[call-overload]

    def said(self, *words: str) -> str:
        """What a command of the queue says."""
        done = subprocess.run(
            words, check=False, env=self.environment, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    def wait_until_idle(self) -> None:
        """Wait for all nodes."""
        for _ in range(100):
            if self.said("sinfo", "-h", "-o", "%D %t").strip() == f"{len(self.nodes)} idle":
                return
            time.sleep(0.2)
        raise AssertionError(self.said("sinfo"))

    def end(self) -> None:
        """End all jobs, which a node's daemon has to do, and then all processes."""
        self.said("scancel", "--me")
        for _ in range(100):
            if not self.said("squeue", "--noheader").strip():
                break
            time.sleep(0.1)
        for process in (*self.nodes.values(), self.controller):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def queue(folder: Path, nodes: int = 2) -> Iterator[Queue]:
    """A queue whose nodes have one core each."""
    made = Queue(folder, nodes)
    try:
        made.wait_until_idle()
        yield made
    finally:
        made.end()
