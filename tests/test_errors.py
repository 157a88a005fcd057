"""How commands end on what a user can mend."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError, command


def ended(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    @command
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, capsys.readouterr().err


def test_wrong_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(InputError("key: 3\n is wrong"), capsys) == (1, "error: key: 3  is wrong\n")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "No space left on device"), (errno.EROFS, "Read-only file system")],
)
def test_a_disk_that_takes_nothing_is_named(
    number: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ended(OSError(number, words, "runs/table"), capsys)
    assert said == (1, f"error: runs/table: {words}\n")


def test_what_an_earlier_stage_writes_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    missing = FileNotFoundError(errno.ENOENT, "No such file", "results/selection.csv")
    words = "error: results/selection.csv: missing; `dvc repro` makes it\n"
    assert ended(missing, capsys) == (1, words)


def test_ctrl_c_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(KeyboardInterrupt(), capsys) == (130, "")


def test_what_is_a_fault_of_ours_keeps_its_traceback() -> None:
    @command
    def main() -> None:
        Path("missing").read_text()

    with pytest.raises(FileNotFoundError):
        main()


def test_a_stage_collects_garbage_after_its_imports() -> None:
    said = "import gc, pipeline.stages; print(gc.isenabled())"
    said += "; import pipeline.stages.config; print(gc.isenabled())"
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]
