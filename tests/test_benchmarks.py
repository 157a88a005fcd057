"""The benchmarks run, on sizes too small to conclude from."""

import subprocess
import sys

import pytest

from makers.project import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("grid", ["--sizes", "128", "--repeats", "1"], "against DataLoader"),
        (
            "models",
            ["--only", "cnn on 8x8", "--skip", "compiled", "--repeats", "1"],
            "auto / best",
        ),
    ],
)
def test_it_prints_a_table(name: str, arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_the_gpu_benchmark_says_what_is_missing() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU: the benchmark would run for minutes")
    command = [sys.executable, "-m", "benchmarks.gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "benchmarks.gpu: no CUDA GPU that torch can see"
