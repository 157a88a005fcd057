"""The benchmarks run, on sizes too small to conclude from."""

import contextlib
import io
import runpy
import subprocess
import sys

import pytest

from benchmarks import harness, models
from makers.processes import fresh
from makers.project import ROOT
from pipeline.params.network import Model

pytestmark = pytest.mark.slow
TINY = {"tiny cnn": (Model("cnn", [4], norm="batch"), (1, 8, 8), 64, (8,), 2, 4)}


def printed(name: str, *arguments: str) -> str:
    """What a benchmark prints of two rates and one small network."""
    harness.RATES = (0.01, 0.1)  # type: ignore[assignment]
    models.NETWORKS = TINY  # type: ignore[assignment]
    sys.argv[1:] = arguments
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if name == "models":
            models.main()
        else:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("grid", ["--sizes", "128", "--repeats", "1"], "against DataLoader"),
        ("models", ["--skip", "compiled", "--repeats", "1"], "auto / best"),
        ("smooth", ["--seeds", "2", "--steps", "40"], "mean within 1.3"),
    ],
)
def test_it_prints_a_table(name: str, arguments: list[str], words: str) -> None:
    assert words in fresh(printed, name, *arguments)


def test_the_gpu_benchmark_says_what_is_missing() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU: the benchmark would run for minutes")
    command = [sys.executable, "-m", "benchmarks.gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "benchmarks.gpu: no CUDA GPU that torch can see"
