"""Copies of the project to run the real pipeline in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
COMMANDS = Path(sys.executable).parent
"""Where this interpreter and ``dvc`` lie."""


class Project:
    """A copy of the project in a folder of its own, as a fresh clone would be."""

    def __init__(self, folder: Path, commands: Path = COMMANDS) -> None:
        self.folder, self.commands = folder, commands

    def run(self, *command: str, ok: bool = True) -> str:
        """Run a command there, with ``commands`` first on the path; return what it printed."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.commands), str(COMMANDS), os.environ["PATH"]]),
            "PYTHONPATH": str(self.folder),  # DVC's own process imports the Hydra plugin from here
        }
        for name in ("DVC_EXP_NAME", "GIT_DIR", "GIT_WORK_TREE"):
            environment.pop(name, None)
        program = shutil.which(command[0], path=environment["PATH"])
        assert program is not None, command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, f"{' '.join(command)} -> {done.returncode}\n{said}"
        return said

    def compose(self, *overrides: str) -> str:
        """Compose params.yaml by hand."""
        return self.run("python", "-m", "pipeline.stages.config", *overrides)

    def repro(self, *arguments: str, ok: bool = True) -> str:
        """Run `dvc repro`."""
        return self.run("dvc", "repro", *arguments, ok=ok)

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self.folder / name).read_text()

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file; the old text must be there."""
        text = self.read(name)
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))


def copy_project(target: Path, commands: Path = COMMANDS) -> Project:
    """The files that git knows or would add, in a new repository with one commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(".venv"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    project = Project(target, commands)
    project.run("git", "init", "--quiet")
    commit(project)
    return project


def commit(project: Project) -> None:
    """Commit everything, as nobody in particular."""
    project.run("git", "add", "--all")
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    project.run("git", *identity, "commit", "--quiet", "--message", "State", "--allow-empty")


def shrink(project: Project) -> None:
    """Make the smoke study the default, with a smaller network and budget, and few timings; without
    the lines of the default study, which DVC would read and write again at every stage."""
    (project.folder / "dvc.lock").unlink()
    project.replace("conf/config.yaml", "grid: default", "grid: smoke")
    project.replace("conf/config.yaml", "epochs: 30", "epochs: 4")
    project.replace("conf/config.yaml", "min_steps: 300", "min_steps: 60")
    project.replace("conf/config.yaml", "examples: 1200", "examples: 64")
    project.replace("conf/config.yaml", "blocks: 20", "blocks: 3")
    project.replace("conf/config.yaml", "block_seconds: 0.006", "block_seconds: 0.001")
    project.replace("conf/model/mlp.yaml", "[128, 64]", "[32, 16]")
